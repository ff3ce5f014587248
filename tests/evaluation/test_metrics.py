import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.errors import InputError
from routectl.evaluation.metrics import apgr, apgr_interval, quality_curve

STRONG, WEAK = np.array([1.0, 1, 1, 0, 1]), np.array([0.0, 1, 0, 0, 1])


def test_five_prompts_by_hand() -> None:
    # Gains 1 0 1 0 0; the two prompts that gain are ranked first and third.
    curve = quality_curve(np.array([0.9, 0.1, 0.5, 0.7, 0.3]), STRONG, WEAK)
    assert curve.strong_fraction == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert curve.gap_recovered == pytest.approx([0, 0.5, 0.5, 1, 1, 1])
    assert apgr(curve) == pytest.approx(0.7)


def test_the_best_ranking_and_the_worst_mirror_each_other() -> None:
    gain = STRONG - WEAK
    best, worst = (apgr(quality_curve(sign * gain, STRONG, WEAK)) for sign in (1, -1))
    assert best == pytest.approx(0.8)
    assert worst == pytest.approx(1 - best)


def test_equal_scores_move_together_and_know_nothing() -> None:
    curve = quality_curve(np.full(5, 0.5), STRONG, WEAK)
    assert curve.strong_fraction.tolist() == [0, 1]
    assert apgr(curve) == 0.5


@given(st.permutations(range(5)))
def test_a_ranking_and_its_reverse_add_up_to_one(order: list[int]) -> None:
    scores = np.array(order, dtype=float)
    there = apgr(quality_curve(scores, STRONG, WEAK))
    back = apgr(quality_curve(-scores, STRONG, WEAK))
    assert there + back == pytest.approx(1)


def test_over_all_rankings_the_mean_is_one_half_exactly() -> None:
    from itertools import permutations

    values = [
        apgr(quality_curve(np.array(order, dtype=float), STRONG, WEAK))
        for order in permutations(range(5))
    ]
    assert np.mean(values) == pytest.approx(0.5)


def test_a_strong_model_that_is_no_better_is_refused() -> None:
    with pytest.raises(InputError, match="no better than the weak one"):
        quality_curve(np.arange(5.0), WEAK, STRONG)


def test_the_interval_holds_the_estimate_and_narrows_with_more_prompts() -> None:
    generator = np.random.default_rng(0)
    widths = []
    for n in (100, 1600):
        strong, weak = np.ones(n), (generator.random(n) < 0.6).astype(float)
        scores = generator.normal(size=n) - weak
        low, high = apgr_interval(scores, strong, weak, draws=300)
        assert low < apgr(quality_curve(scores, strong, weak)) < high
        widths.append(high - low)
    assert 2.5 < widths[0] / widths[1] < 6.5


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(100):
        weak = (generator.random(200) < 0.5).astype(float)
        # Scores that know nothing: the truth is one half.
        low, high = apgr_interval(generator.random(200), np.ones(200), weak, draws=200)
        covered += low <= 0.5 <= high
    assert covered >= 88
