import json
import subprocess
import sys

import numpy as np

from routectl.calibration import StrongFraction, caveats, choose

NOISE = 2e-7


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


def test_fewer_than_100_clusters_are_rough(sample_of):
    scores = np.linspace(0, 0.9, 300)
    by_three = np.arange(300) // 3
    assert not certainty(sample_of(scores, conversations=by_three), 0.3).rough
    assert certainty(sample_of(scores, conversations=by_three // 2), 0.3).rough


def warned(sample, share, longer_than_read=0.0):
    """The caveats of a calibration: codes and facts."""
    choice = choose(sample, StrongFraction(share), noise=NOISE)
    given = caveats(
        choice.target, choice.cut, choice.certainty, choice.self_check, longer_than_read
    )
    return {caveat.code: dict(caveat.facts) for caveat in given}


def steady(n=1000):
    return np.random.default_rng(2).random(n)


def test_a_sound_calibration_has_no_caveat(sample_of):
    assert warned(sample_of(steady(), times=np.arange(1000.0)), 0.3) == {}


def test_scores_of_1_above_the_target_are_a_caveat_with_the_share_that_remains(sample_of):
    sample = sample_of([1.0] * 200 + (0.9 * steady(800)).tolist())
    assert warned(sample, 0.1) == {"scores_of_one": {"lowest_share": 0.2}}


def test_a_tie_at_the_target_is_a_caveat_with_both_reachable_shares(sample_of):
    sample = sample_of([0.95] * 400 + (0.9 * steady(600)).tolist())
    assert warned(sample, 0.3) == {
        "tie": {
            "target": 0.3,
            "score": 0.95,
            "requests": 400,
            "share_below": 0.0,
            "share_above": 0.4,
        }
    }


def test_few_clusters_are_a_caveat_with_their_number(sample_of):
    sample = sample_of(steady(), conversations=np.arange(1000) // 20)
    assert warned(sample, 0.3) == {"few_clusters": {"clusters": 50, "cluster_kind": "conversation"}}


def test_many_undecided_requests_are_a_caveat(sample_of):
    scores = np.concatenate([0.3 + np.arange(30) * 1e-8, np.linspace(0.31, 0.99, 970)])
    assert warned(sample_of(scores), 0.985) == {"many_undecided": {"undecided": 0.03}}


def test_a_check_in_time_that_failed_is_a_caveat(sample_of):
    scores = steady() * 0.7
    scores[800:] += 0.3
    assert warned(sample_of(scores, times=np.arange(1000.0)), 0.3) == {"check_in_time_failed": {}}


def test_requests_whose_cost_is_unknown_are_a_caveat_with_their_share(sample_of):
    cost = np.where(np.arange(1000) < 250, np.nan, 0.01)
    sample = sample_of(steady(), strong_cost=cost, weak_cost=cost / 10)
    assert warned(sample, 0.3) == {"cost_unknown": {"unknown": 0.25}}


def test_prompts_longer_than_the_router_reads_are_a_caveat(sample_of):
    assert warned(sample_of(steady()), 0.3, longer_than_read=0.02) == {
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
    below = {"routectl.policy", "routectl.records", "routectl.errors"}
    assert rooms == {"routectl", "routectl.calibration", *below}
    others = {"click", "msgspec", "orjson", "pandas", "sqlalchemy", "torch", "transformers", "yaml"}
    assert others.isdisjoint(modules)
