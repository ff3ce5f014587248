import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from routectl.errors import InputError
from routectl.evaluation.metrics import (
    APGR,
    AUC,
    GAP,
    apgr,
    auc,
    cpt,
    cpt_at,
    oracle_curve,
    pgr,
    pgr_at,
    quality_curve,
    random_curve,
    strong_fraction_for,
)

STRONG, WEAK = np.array([1.0, 1, 1, 0, 1]), np.array([0.0, 1, 0, 0, 1])
SCORES = np.array([0.9, 0.1, 0.5, 0.7, 0.3])
# Gains 1 0 1 0 0; the two prompts that gain are ranked first and third.
CURVE = quality_curve(SCORES, STRONG, WEAK)

qualities = st.lists(
    st.tuples(st.integers(0, 10), st.integers(0, 10), st.integers(0, 4)), min_size=1, max_size=30
).map(lambda rows: np.array(rows, dtype=float).T)


def test_five_prompts_by_hand() -> None:
    assert CURVE.strong_fraction == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert CURVE.quality == pytest.approx([0.4, 0.6, 0.6, 0.8, 0.8, 0.8])
    assert CURVE.gap_recovered == pytest.approx([0, 0.5, 0.5, 1, 1, 1])
    assert apgr(CURVE) == pytest.approx(0.7)
    # Trapezoids 0.10 0.12 0.14 0.16 0.16.
    assert auc(CURVE) == pytest.approx(0.68)
    assert pgr(CURVE, 0.1) == pytest.approx(0.25)
    assert pgr(CURVE, 0.3) == pytest.approx(0.5)
    assert pgr(CURVE, 0.5) == pytest.approx(0.75)


def test_cpt_is_the_first_crossing() -> None:
    assert cpt(CURVE, 0.25) == pytest.approx(0.1)
    # The curve runs level at one half from 0.2 to 0.4.
    assert cpt(CURVE, 0.5) == pytest.approx(0.2)
    assert cpt(CURVE, 0.8) == pytest.approx(0.52)
    assert cpt(CURVE, 1.0) == pytest.approx(0.6)


def test_cpt_is_the_first_crossing_where_the_curve_falls_again() -> None:
    # Gains 1 -1 1 1 in the order of the scores: 1/2, 0, 1/2, 1 recovered.
    gain = np.array([1.0, -1, 1, 1])
    curve = quality_curve([4, 3, 2, 1], gain, np.zeros(4))
    assert curve.gap_recovered == pytest.approx([0, 0.5, 0, 0.5, 1])
    assert cpt(curve, 0.4) == pytest.approx(0.2)
    assert cpt(curve, 0.5) == pytest.approx(0.25)
    assert cpt(curve, 0.6) == pytest.approx(0.8)


def test_a_level_stretch_at_the_target_is_reached_in_spite_of_rounding() -> None:
    # 0.3 + 0.1 + 0.2 is 0.6000000000000001, so 0.3 recovers 0.49999999999999994 of it.
    curve = quality_curve([4, 3, 2, 1], [0.3, 0, 0.1, 0.2], np.zeros(4))
    assert curve.gap_recovered[1] < 0.5
    assert cpt(curve, 0.5) == pytest.approx(1 / 4)


def test_better_than_always_strong_is_reached_or_never() -> None:
    curve = quality_curve([3, 2, 1], [1.0, 1, 0], [0.0, 0, 1])
    assert curve.gap_recovered == pytest.approx([0, 1, 2, 1])
    assert cpt(curve, 1.5) == pytest.approx(0.5)
    assert cpt(curve, 2.1) is None
    assert cpt(CURVE, 1.01) is None


def test_the_strong_fraction_for_a_quality_is_in_its_own_unit() -> None:
    assert strong_fraction_for(CURVE, 0.5) == pytest.approx(0.1)
    assert strong_fraction_for(CURVE, 0.4) == 0
    assert strong_fraction_for(CURVE, 0.81) is None


def test_the_oracle_is_the_best_ranking_and_its_reverse_mirrors_it() -> None:
    best = oracle_curve(STRONG, WEAK)
    assert apgr(best) == pytest.approx(0.8)
    assert apgr(quality_curve(WEAK - STRONG, STRONG, WEAK)) == pytest.approx(0.2)


@given(qualities)
def test_no_scores_beat_the_oracle(rows: NDArray[np.float64]) -> None:
    strong, weak, scores = rows
    best, curve = oracle_curve(strong, weak), quality_curve(scores, strong, weak)
    ceiling = np.interp(curve.strong_fraction, best.strong_fraction, best.quality)
    assert (curve.quality <= ceiling + 1e-9).all()
    assert auc(curve) <= auc(best) + 1e-9


@given(qualities)
def test_equal_scores_move_together_and_know_nothing(rows: NDArray[np.float64]) -> None:
    strong, weak, _ = rows
    curve = random_curve(strong, weak)
    assert curve.strong_fraction.tolist() == [0, 1]
    assert auc(curve) == pytest.approx((strong.mean() + weak.mean()) / 2)
    if curve.gap > 0:
        assert apgr(curve) == pytest.approx(0.5)
        assert cpt(curve, 0.8) == pytest.approx(0.8)
        assert pgr(curve, 0.3) == pytest.approx(0.3)


@given(qualities)
def test_the_figures_fit_together(rows: NDArray[np.float64]) -> None:
    strong, weak, scores = rows
    curve = quality_curve(scores, strong, weak)
    assert curve.weak_quality == pytest.approx(weak.mean())
    assert curve.strong_quality == pytest.approx(strong.mean())
    if not curve.gap > 0:
        return
    assert auc(curve) == pytest.approx(curve.weak_quality + apgr(curve) * curve.gap)
    for share in (0.1, 0.5, 0.8, 1.0):
        fraction = cpt(curve, share)
        assert fraction is not None
        assert pgr(curve, fraction) == pytest.approx(share, abs=1e-6)
        before = curve.strong_fraction < fraction - 1e-9
        assert (curve.gap_recovered[before] < share).all()


@given(qualities, st.integers(1, 5), st.floats(-3, 3))
def test_another_unit_of_quality_changes_nothing_but_auc(
    rows: NDArray[np.float64], factor: int, shift: float
) -> None:
    strong, weak, scores = rows
    curve = quality_curve(scores, strong, weak)
    other = quality_curve(scores, factor * strong + shift, factor * weak + shift)
    assert auc(other) == pytest.approx(factor * auc(curve) + shift, abs=1e-9)
    if curve.gap > 0:
        assert apgr(other) == pytest.approx(apgr(curve), abs=1e-9)
        assert cpt(other, 0.5) == pytest.approx(cpt(curve, 0.5), abs=1e-6)


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


def test_where_the_weak_model_is_the_better_one_that_is_said_and_nothing_is_divided() -> None:
    curve = quality_curve(SCORES, WEAK, STRONG)
    for metric in (APGR, pgr_at(0.3), cpt_at(0.5)):
        with pytest.raises(InputError, match=r"no better than the weak one .*0\.4 against 0\.8"):
            metric.of(curve)
    assert AUC.of(curve) == pytest.approx(0.52)
    assert strong_fraction_for(curve, 0.8) == 0


def test_equal_models_have_no_gap() -> None:
    with pytest.raises(InputError, match="no gap to recover"):
        apgr(quality_curve(SCORES, STRONG, STRONG))


@pytest.mark.parametrize(
    ("scores", "strong", "weak", "sentence"),
    [
        ([], [], [], "one score per prompt"),
        ([[0.1]], [[1]], [[0]], "one score per prompt"),
        ([0.1, 0.2], [1], [0, 0], r"2 scores, and strong qualities of the shape \(1,\)"),
        ([0.1, np.nan], [1, 1], [0, 0], "Of the scores, 1 of 2 are no finite number.* row 2"),
        ([0.1, 0.2], [1, 1], [np.inf, 0], "Of the weak qualities, 1 of 2"),
    ],
)
def test_what_is_no_score_or_quality_is_refused(
    scores: list[float], strong: list[float], weak: list[float], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        quality_curve(scores, strong, weak)


def test_what_is_no_cost_is_refused() -> None:
    with pytest.raises(InputError, match=r"Of the weak costs, 1 of 5 .* row 2"):
        quality_curve(SCORES, STRONG, WEAK, costs=(WEAK, [0, np.nan, 0, 0, 0]))


def test_a_metric_asks_for_what_exists() -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        pgr(CURVE, 1.2)
    with pytest.raises(InputError, match="above 0"):
        cpt(CURVE, 0.0)
    assert [str(m) for m in (AUC, APGR, cpt_at(0.5), pgr_at(0.305))] == [
        "AUC",
        "APGR",
        "CPT(50%)",
        "PGR(30.5%)",
    ]


@given(qualities, st.data())
def test_the_curve_is_the_mean_of_what_each_threshold_chooses(
    rows: NDArray[np.float64], data: st.DataObject
) -> None:
    """Against the definition, with ties, weights and costs."""
    strong, weak, scores = rows
    n = len(scores)
    weights, strong_cost, weak_cost = (
        np.array(data.draw(st.lists(st.floats(low, 9), min_size=n, max_size=n)))
        for low in (0.01, 0.0, 0.0)
    )
    curve = quality_curve(scores, strong, weak, weights, costs=(strong_cost, weak_cost))
    thresholds = [np.inf, *sorted(set(scores), reverse=True)]
    assert len(curve.strong_fraction) == len(thresholds)
    for cut, threshold in enumerate(thresholds):
        chosen = scores >= threshold
        for figures, of_prompts in (
            (curve.strong_fraction, chosen),
            (curve.quality, np.where(chosen, strong, weak)),
            (curve.cost, np.where(chosen, strong_cost, weak_cost)),
        ):
            mean = np.average(of_prompts, weights=weights)
            assert figures[cut] == pytest.approx(mean, abs=1e-12, rel=1e-12)


WEIGHTS = np.array([3.0, 1, 2, 3, 1])


def test_five_weighted_prompts_by_hand() -> None:
    # In the order of the scores: weights 3 3 2 1 1 of 10, gains 1 0 1 0 0, so the gap is 5/10.
    curve = quality_curve(SCORES, STRONG, WEAK, WEIGHTS)
    assert curve.strong_fraction == pytest.approx([0, 0.3, 0.6, 0.8, 0.9, 1])
    assert curve.gap_recovered == pytest.approx([0, 0.6, 0.6, 1, 1, 1])
    # Weak: the second and the fifth prompt are right, 2 of 10.
    assert (curve.weak_quality, curve.gap) == (pytest.approx(0.2), pytest.approx(0.5))
    # Trapezoids 0.09 0.18 0.16 0.1 0.1.
    assert apgr(curve) == pytest.approx(0.63)
    assert auc(curve) == pytest.approx(0.2 + 0.63 * 0.5)
    assert cpt(curve, 0.5) == pytest.approx(0.25)
    assert GAP.of(curve) == pytest.approx(0.5)
    assert apgr(random_curve(STRONG, WEAK, WEIGHTS)) == pytest.approx(0.5)
    # Both gains are one group of 5/10: a trapezoid of 0.25, then level for 0.5.
    assert apgr(oracle_curve(STRONG, WEAK, WEIGHTS)) == pytest.approx(0.75)


@given(qualities, st.data())
def test_a_whole_weight_is_so_many_equal_prompts(
    rows: NDArray[np.float64], data: st.DataObject
) -> None:
    times = data.draw(st.lists(st.integers(1, 4), min_size=rows.shape[1], max_size=rows.shape[1]))
    strong, weak, scores = rows
    weighted = quality_curve(scores, strong, weak, times)
    repeated = quality_curve(*(np.repeat(values, times) for values in (scores, strong, weak)))
    assert weighted.strong_fraction == pytest.approx(repeated.strong_fraction)
    assert weighted.gain == pytest.approx(repeated.gain, abs=1e-12)
    assert weighted.weak_quality == pytest.approx(repeated.weak_quality)


@given(qualities, st.floats(0.01, 100))
def test_equal_weights_of_any_size_change_nothing(rows: NDArray[np.float64], size: float) -> None:
    strong, weak, scores = rows
    plain = quality_curve(scores, strong, weak)
    weighted = quality_curve(scores, strong, weak, np.full(len(scores), size))
    assert weighted.strong_fraction == pytest.approx(plain.strong_fraction)
    assert weighted.gain == pytest.approx(plain.gain, abs=1e-9)


def test_weighted_gains_that_cancel_leave_no_gap_of_rounding() -> None:
    # 0.1 + 0.2 - 0.3 is 5.6e-17.
    curve = quality_curve([3, 2, 1], [1, 1, 0], [0, 0, 1], [0.1, 0.2, 0.3])
    assert curve.gap == 0
    with pytest.raises(InputError, match="no gap to recover"):
        apgr(curve)


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ([1, 2], r"5 scores, and weights of the shape \(2,\)"),
        ([1, 1, 0, 1, -1], "2 of 5 are no finite number above 0, the first in row 3"),
        ([1, 1, 1, 1, np.nan], "1 of 5 .* row 5"),
    ],
)
def test_what_is_no_weight_is_refused(weights: list[float], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        quality_curve(SCORES, STRONG, WEAK, weights)
