"""The cheapest cut that loses at most so much: by hand, and against traffic whose law is known.

Seeded: the same figures each time.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from routectl.calibration import JudgedSample, MaxLoss, StrongFraction, target_from_json
from routectl.calibration.loss import LossTest, cheapest_cut, labels_needed
from routectl.errors import CalibrationError, UsageError

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "max_loss.py"
NOISE = 1e-7


def judged_of(win_rates, losses, weights=None, strata=None, largest=1.0):
    """Verdicts: a loss of 1 is a win of the strong model, 0 a tie, -1 a win of the weak one."""
    losses, n = np.asarray(losses, dtype=np.float64), len(losses)
    return JudgedSample(
        win_rates=np.asarray(win_rates, dtype=np.float64),
        strong_quality=(1 + losses) / 2,
        weak_quality=(1 - losses) / 2,
        weights=np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64),
        strata=np.zeros(n, dtype=np.int64) if strata is None else np.asarray(strata),
        largest_loss=largest,
    )


def verdicts(n, seed=0, ties=0.5):
    """Scores, and losses of a router that knows a little: the strong model wins at high scores."""
    generator = np.random.default_rng(seed)
    scores = generator.permutation((np.arange(n) + 0.5) / n)
    wins = (1 - ties + 0.3 * (2 * scores - 1) + 0.1) / 2
    chance = generator.random(n)
    return scores, np.where(chance < wins, 1.0, np.where(chance < wins + ties, 0.0, -1.0))


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("max_loss", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "labels", "at_most"),
    [
        ("no loss but at the limit", 300, 0.98),
        ("5 scores", 1000, 0.95),
        pytest.param("a tenth of the verdicts lost", 1000, 0.85, marks=pytest.mark.slow),
        pytest.param("a cron prompt is 30 %", 1000, 0.75, marks=pytest.mark.slow),
    ],
)
def test_the_promise_is_kept_in_95_of_100_traffics_and_strong_calls_are_saved(
    benchmark, name, labels, at_most
):
    scene = next(s for s in benchmark.SCENES if (s.name, s.labels) == (name, labels))
    tally = benchmark.measure(scene, 60, seed=2, methods=("routectl",))["routectl"]
    assert max(tally.broken_by_law, tally.broken_here) <= 3
    assert np.mean(tally.strong) <= at_most


def test_the_capital_is_that_of_the_paper():
    scores, losses = verdicts(200)
    judged = judged_of(scores, losses)
    order = np.random.default_rng(0).permutation(200)
    values = np.sort(scores)
    for cut in (10, 80, 150):
        kept_by_hand = {}
        for limit in (0.0, 0.05, 0.1, 0.15, 0.3):
            capital, richest, total, squares = 1.0, 1.0, 0.0, 0.25
            for t, row in enumerate(order, start=1):
                lost = losses[row] if scores[row] < values[cut] else 0.0
                bet = min(math.sqrt(2 * math.log(20) / 200) / math.sqrt(squares / t), 0.75)
                capital *= 1 + bet * (limit - lost)
                richest = max(richest, capital)
                total += lost
                squares += (lost - total / (t + 1)) ** 2
            kept_by_hand[limit] = richest >= 20
        test = LossTest(judged, 0.95)
        assert {x: bool(test.keeps(np.array([cut]), x)[0]) for x in kept_by_hand} == kept_by_hand
        assert set(kept_by_hand.values()) == {False, True}


def test_what_the_weak_model_wins_is_set_off_against_what_it_loses():
    scores = np.arange(600) / 600
    even = judged_of(scores, np.where(np.arange(600) % 2, 1.0, -1.0))
    lost = judged_of(scores, np.where(np.arange(600) % 2, 1.0, 0.0))
    assert cheapest_cut(even, 0.1, 0.95).loss.strong_fraction < 0.4
    assert cheapest_cut(lost, 0.1, 0.95).loss.strong_fraction > 0.75


def test_the_upper_limit_is_where_the_cut_just_keeps_it():
    judged = judged_of(*verdicts(500))
    sure = cheapest_cut(judged, 0.04, 0.95)
    test = LossTest(judged, 0.95)
    cut = int(np.argmax(test.strong_fractions <= sure.loss.strong_fraction))
    assert sure.loss.expected < sure.loss.at_most <= 0.04
    assert test.keeps(np.array([cut]), sure.loss.at_most)[0]
    assert not test.keeps(np.array([cut]), sure.loss.at_most - 1e-6)[0]
    weak = judged.win_rates < sure.upper
    assert sure.loss.expected == pytest.approx(np.where(weak, judged.losses, 0.0).mean())
    quality = np.where(weak, judged.weak_quality, judged.strong_quality).mean()
    assert sure.loss.quality == pytest.approx(quality)
    assert sure.loss.strong_quality - sure.loss.quality == pytest.approx(sure.loss.expected)


def test_a_surer_limit_takes_more_strong_calls_and_a_looser_one_fewer():
    judged = judged_of(*verdicts(500))

    def strong(limit, confidence):
        return cheapest_cut(judged, limit, confidence).loss.strong_fraction

    assert strong(0.07, 0.8) < strong(0.07, 0.95) < strong(0.07, 0.999)
    assert strong(0.1, 0.95) < strong(0.07, 0.95)


def test_the_unit_of_weights_and_of_quality_changes_nothing():
    scores, losses = verdicts(800)
    weights = np.random.default_rng(1).uniform(0.5, 1.5, 800)
    plain = cheapest_cut(judged_of(scores, losses, weights), 0.05, 0.95)
    heavier = cheapest_cut(judged_of(scores, losses, 70 * weights), 0.05, 0.95)
    graded = cheapest_cut(judged_of(scores, 9 * losses, weights, largest=9.0), 0.45, 0.95)
    assert (heavier.lower, heavier.upper) == (graded.lower, graded.upper)
    assert (heavier.lower, heavier.upper) == (plain.lower, plain.upper)
    assert graded.loss.at_most == pytest.approx(9 * plain.loss.at_most, rel=1e-6)


def test_a_share_of_always_strongs_quality_is_a_loss_where_that_quality_is_1():
    scores, losses = verdicts(800)
    judged = JudgedSample(
        win_rates=scores,
        strong_quality=np.ones(800),
        weak_quality=1 - losses,
        weights=np.ones(800),
        strata=np.zeros(800, dtype=np.int64),
        largest_loss=1.0,
    )
    absolute = cheapest_cut(judged, 0.05, 0.95)
    assert cheapest_cut(judged, 0.05, 0.95, relative=True) == absolute


def test_a_share_of_always_strongs_quality_is_harder_to_keep_where_that_quality_is_low():
    judged = judged_of(*verdicts(500))
    assert judged.strong_quality.mean() < 0.6
    absolute = cheapest_cut(judged, 0.05, 0.95).loss
    relative = cheapest_cut(judged, 0.05, 0.95, relative=True).loss
    assert relative.strong_fraction > absolute.strong_fraction
    assert relative.quality >= 0.95 * relative.strong_quality
    assert (
        relative.at_most
        >= relative.expected
        == pytest.approx(1 - relative.quality / relative.strong_quality)
    )


def test_a_prompt_that_was_drawn_for_certain_counts_as_exact():
    scores, losses = verdicts(500)
    weights = np.where(np.arange(500) == 0, 300.0, 1.0)
    scores[0] = 0.001
    light = cheapest_cut(judged_of(scores[1:], losses[1:]), 0.06, 0.95).loss
    assert light.certain_share == 0.0
    for its_loss, cheaper in ((0.0, True), (1.0, False)):
        losses[0] = its_loss
        sure = cheapest_cut(judged_of(scores, losses, weights), 0.06, 0.95)
        if cheaper:  # all other requests may lose what this one does not
            assert sure.loss.certain_share == pytest.approx(300 / 799)
            assert sure.loss.strong_fraction < 0.8 * light.strong_fraction
        else:
            assert sure is None


def test_equal_scores_move_together_and_a_score_of_1_never_goes_to_the_weak_model():
    tied = judged_of(np.repeat([0.2, 0.5, 1.0], 100), np.zeros(300))
    sure = cheapest_cut(tied, 0.05, 0.95)
    assert (sure.lower, sure.upper) == (0.5, 1.0)
    assert sure.loss.strong_fraction == pytest.approx(1 / 3)


def test_more_labels_of_the_kind_reach_fewer_strong_calls():
    loss = cheapest_cut(judged_of(*verdicts(600)), 0.06, 0.95).loss
    shares = [loss.strong_fraction, *(more.strong_fraction for more in loss.more_labels)]
    assert [more.labels for more in loss.more_labels] == [1200, 2400]
    assert sorted(shares, reverse=True) == shares
    assert loss.least_strong_fraction < shares[-1] < shares[0]


def test_as_many_labels_as_it_says_are_needed():
    few = judged_of(*verdicts(40))
    assert cheapest_cut(few, 0.03, 0.95) is None
    needed = labels_needed(few, 0.03, 0.95)
    times = needed.labels // 40
    assert cheapest_cut(few.times(times), 0.03, 0.95) is not None
    assert cheapest_cut(few.times(times - 1), 0.03, 0.95) is None
    assert needed.strong_fraction < 1
    lost = judged_of(np.arange(40) / 40, np.ones(40))
    assert labels_needed(lost, 0.0, 0.95) is None


def table_of(sample_of, scores):
    return sample_of(scores).cut_table()


def test_the_threshold_makes_the_judged_cut_and_a_cut_of_the_population(sample_of):
    scores, losses = verdicts(1000)
    judged = judged_of(scores, losses)
    population = np.random.default_rng(5).random(5000) ** 2
    cut = (
        MaxLoss("max_loss", 0.05, 3).with_judged(judged).cut(table_of(sample_of, population), NOISE)
    )
    sure = cheapest_cut(judged, 0.05, 0.95)
    threshold = float(cut.threshold)
    assert sure.lower < threshold <= sure.upper
    assert cut.strong_fraction == pytest.approx((population >= threshold).mean())
    assert cut.loss == sure.loss
    assert cut.strong_fraction < cut.loss.strong_fraction - 0.1


def test_a_population_without_scores_in_the_gap_keeps_the_judged_threshold(sample_of):
    judged = judged_of(*verdicts(500))
    sure = cheapest_cut(judged, 0.05, 0.95)
    target = MaxLoss("max_loss", 0.05, 3).with_judged(judged)
    for scores in ([0.0, 1.0], [sure.lower, sure.upper], [0.999], [1e-9]):
        cut = target.cut(table_of(sample_of, scores), NOISE)
        assert sure.lower < float(cut.threshold) <= sure.upper


def test_where_no_cut_keeps_it_the_sentence_says_how_many_labels_would(sample_of):
    table = table_of(sample_of, [0.2, 0.4, 0.6])
    few = MaxLoss("max_loss", 0.03, 3).with_judged(judged_of(*verdicts(40)))
    with pytest.raises(CalibrationError, match=r"by these 40 labels; about [\d,]+ labels would"):
        few.cut(table, NOISE)
    lost = judged_of(np.arange(40) / 40, np.ones(40))
    with pytest.raises(CalibrationError, match="more labels would not change that"):
        MaxLoss("min_quality", 1.0, 3).with_judged(lost).cut(table, NOISE)


@pytest.mark.parametrize("measure", ["max_loss", "min_quality"])
def test_a_target_is_stored_without_its_rows_and_read_back(measure):
    target = MaxLoss(measure, 0.9, 7, 0.8).with_judged(judged_of([0.5], [0.0]))
    again = target_from_json(target.to_json())
    assert again == target
    assert target.to_json() == {measure: 0.9, "evaluation": 7, "confidence": 0.8}
    assert target_from_json(StrongFraction(0.3).to_json()) == StrongFraction(0.3)


@pytest.mark.parametrize(
    ("measure", "asked", "confidence"),
    [
        ("max_loss", -0.1, 0.95),
        ("max_loss", math.nan, 0.95),
        ("max_loss", math.inf, 0.95),
        ("min_quality", 1.1, 0.95),
        ("min_quality", -0.1, 0.95),
        ("min_quality", 0.9, 0.4),
        ("max_loss", 0.1, 1.0),
    ],
)
def test_a_target_that_has_no_meaning_is_refused(measure, asked, confidence):
    with pytest.raises(UsageError):
        MaxLoss(measure, asked, 1, confidence)


def test_a_share_of_a_quality_below_0_is_refused():
    judged = JudgedSample(
        win_rates=np.array([0.1, 0.2]),
        strong_quality=np.array([-1.0, 2.0]),
        weak_quality=np.array([-2.0, 2.0]),
        weights=np.ones(2),
        strata=np.zeros(2, dtype=np.int64),
        largest_loss=4.0,
    )
    MaxLoss("max_loss", 0.1, 1).with_judged(judged)
    with pytest.raises(UsageError, match="use --max-loss"):
        MaxLoss("min_quality", 0.9, 1).with_judged(judged)
