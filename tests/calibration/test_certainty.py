import json
import subprocess
import sys

import numpy as np
import pytest

from routectl.calibration import StrongFraction, caveats, choose

NOISE = 2e-7
DAY = 86400


def certainty(sample, share):
    return choose(sample, StrongFraction(share), noise=NOISE).certainty


def test_requests_within_the_noise_of_the_threshold_are_undecided(sample_of):
    scores = np.concatenate([0.3 + np.arange(30) * 1e-8, np.linspace(0.31, 1, 970)])
    apart = certainty(sample_of(scores), 0.4)
    assert (apart.undecided, apart.many_undecided) == (0.0, False)
    among = certainty(sample_of(scores), 0.985)
    assert among.undecided == 0.03
    assert among.many_undecided


def test_a_router_without_noise_leaves_nothing_undecided(sample_of):
    choice = choose(sample_of([0.2] * 5 + [0.4] * 5), StrongFraction(0.5), noise=0.0)
    assert choice.certainty.undecided == 0


def test_fewer_than_10_degrees_of_freedom_are_rough(sample_of):
    scores = np.linspace(0, 0.9, 300)
    assert not certainty(sample_of(scores, conversations=np.arange(300) // 10), 0.3).rough
    assert certainty(sample_of(scores, conversations=np.arange(300) // 30), 0.3).rough


def warned(sample, share, longer_than_read=0.0):
    """The caveats of a calibration: codes and facts."""
    choice = choose(sample, StrongFraction(share), noise=NOISE)
    given = caveats(
        choice.target, choice.cut, choice.certainty, choice.self_check, longer_than_read
    )
    return {caveat.code: dict(caveat.facts) for caveat in given}


def steady(n=1000):
    return np.random.default_rng(2).random(n)


def over(days, n=1000):
    """Times that are spread evenly over so many days."""
    return 1.75e9 // DAY * DAY + np.arange(n) * days * DAY / n


def mixed(scores):
    """The same in another order, so that days do not differ."""
    return np.random.default_rng(4).permutation(scores)


def test_a_sound_calibration_has_no_caveat(sample_of):
    assert warned(sample_of(steady(), times=over(28)), 0.3) == {}


def test_scores_of_1_above_the_target_are_a_caveat_with_the_share_that_remains(sample_of):
    sample = sample_of(mixed([1.0] * 200 + (0.9 * steady(800)).tolist()), times=over(28))
    assert warned(sample, 0.1) == {"scores_of_one": {"lowest_share": 0.2}}


def test_a_tie_at_the_target_is_a_caveat_with_both_reachable_shares(sample_of):
    sample = sample_of(mixed([0.95] * 400 + (0.9 * steady(600)).tolist()), times=over(28))
    assert warned(sample, 0.3) == {
        "tie": {
            "target": 0.3,
            "score": 0.95,
            "requests": 400,
            "share_below": 0.0,
            "share_above": 0.4,
        }
    }


def test_few_degrees_of_freedom_are_a_caveat_with_what_they_come_from(sample_of):
    sample = sample_of(steady(), conversations=np.arange(1000) // 125, times=over(4))
    facts = warned(sample, 0.3)["rough"]
    assert facts["degrees_of_freedom"] < 10
    assert (facts["clusters"], facts["cluster_kind"]) == (8, "conversation")
    assert (facts["days"], facts["decided_by"]) == (4, "conversation")


@pytest.mark.parametrize(
    ("days", "code"), [(1, "one_day"), (2, "few_days"), (4, "few_days"), (5, None)]
)
def test_below_5_days_nothing_is_said_of_other_days(days, code, sample_of):
    codes = {"no_times", "one_day", "few_days"} & set(
        warned(sample_of(steady(), times=over(days)), 0.3)
    )
    assert codes == ({code} if code else set())


def test_without_times_nothing_is_said_of_days(sample_of):
    sample = sample_of(steady())
    assert list(warned(sample, 0.3)) == ["no_times"]
    assert (certainty(sample, 0.3).days, certainty(sample, 0.3).decided_by) == (0, "prompt")


def test_requests_without_a_time_are_a_caveat_with_their_share(sample_of):
    times = np.where(np.arange(1000) % 4 == 0, np.nan, over(28))
    assert warned(sample_of(steady(), times=times), 0.3)["untimed"] == {"untimed": 0.25}


def test_days_that_are_like_the_day_before_are_a_caveat_and_weeks_decide(sample_of):
    times = over(28, 5600)
    day = (times - times[0]) // DAY
    scores = mixed(np.linspace(0, 0.99, 5600)) * 0.5 + 0.4 * (day % 14 < 7)
    sample = sample_of(scores, times=times)
    facts = warned(sample, 0.4)
    assert facts["days_are_alike"]["correlation"] > 0.5
    assert facts["days_are_alike"]["weeks"] == 4
    assert certainty(sample, 0.4).decided_by == "week"


def with_one_frequent_prompt(sample_of, days):
    """A prompt, 17, that a third of the requests have, each day."""
    n = 3000
    scores, prompts = mixed(np.linspace(0.01, 0.95, n)), np.arange(100, 100 + n)
    scores[::3], prompts[::3] = 0.97, 17
    return sample_of(scores, prompts=prompts, times=over(days, n))


def test_below_10_days_a_frequent_prompt_is_named_with_the_share_of_the_rest(sample_of):
    sample = with_one_frequent_prompt(sample_of, 7)
    facts = warned(sample, 0.4)["unsure_prompts"]
    assert (facts["prompts"], facts["count"]) == ("17", 1)
    assert facts["share"] == pytest.approx(1 / 3)
    assert facts["rest_low"] < facts["rest_share"] < facts["rest_high"]
    assert facts["rest_high"] - facts["rest_low"] < 0.2
    sure = certainty(sample, 0.4)
    assert sure.long_run.high - sure.long_run.low > 0.9
    assert sure.named_prompts[0].strong
    assert sure.recurring_prompts == 0


def test_from_10_days_on_a_prompt_of_most_days_is_part_of_each_day(sample_of):
    sample = with_one_frequent_prompt(sample_of, 14)
    assert warned(sample, 0.4)["recurring_prompts"]["prompts"] == "17"
    assert "recurring_prompts" not in warned(with_one_frequent_prompt(sample_of, 28), 0.4)
    sure = certainty(sample, 0.4)
    assert sure.recurring_prompts == 1
    assert sure.recurring_share == pytest.approx(1 / 3)
    assert sure.long_run.high - sure.long_run.low < 0.1


def test_many_undecided_requests_are_a_caveat(sample_of):
    scores = np.concatenate([0.3 + np.arange(30) * 1e-8, np.linspace(0.31, 0.99, 970)])
    sample = sample_of(mixed(scores), times=over(28))
    assert warned(sample, 0.985) == {"many_undecided": {"undecided": 0.03}}


def test_a_check_in_time_that_failed_is_a_caveat(sample_of):
    scores = steady() * 0.7
    scores[800:] += 0.3
    sample = sample_of(scores, times=over(10))
    assert warned(sample, 0.3)["check_in_time_failed"] == {"rate": pytest.approx(0.05)}


def test_requests_whose_cost_is_unknown_are_a_caveat_with_their_share(sample_of):
    cost = np.where(np.arange(1000) < 250, np.nan, 0.01)
    sample = sample_of(steady(), times=over(28), strong_cost=cost, weak_cost=cost / 10)
    assert warned(sample, 0.3) == {"cost_unknown": {"unknown": 0.25}}


def test_prompts_longer_than_the_router_reads_are_a_caveat(sample_of):
    assert warned(sample_of(steady(), times=over(28)), 0.3, longer_than_read=0.02) == {
        "longer_than_read": {"longer_than_read": 0.02}
    }


def test_it_takes_the_policy_below_it_and_no_package_but_numpy_and_scipy():
    code = """
import json, sys
import numpy as np
from routectl.calibration import ScoredSample, StrongFraction, choose
n = 100
nothing = np.full(n, np.nan)
sample = ScoredSample(
    np.linspace(0, 1, n), np.ones(n), np.arange(n), np.full(n, -1), np.arange(n) * 1.0,
    nothing, nothing,
)
choose(sample, StrongFraction(0.3), noise=0.0)
print(json.dumps(list(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = json.loads(done.stdout)
    rooms = {".".join(name.split(".")[:2]) for name in modules if name.startswith("routectl")}
    below = {"routectl.policy", "routectl.records", "routectl.errors", "routectl.escaping"}
    assert rooms == {"routectl", "routectl.calibration", *below}
    others = {"click", "msgspec", "orjson", "pandas", "sqlalchemy", "torch", "transformers", "yaml"}
    assert others.isdisjoint(modules)
