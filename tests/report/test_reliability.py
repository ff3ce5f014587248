import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import beta

from routectl.errors import CalibrationError
from routectl.report.reliability import reliabilities, reliability
from tests.report.benchmarks import judged

rows = st.lists(
    st.tuples(st.integers(0, 20), st.integers(-1, 1), st.integers(1, 5)), min_size=1, max_size=150
)


def test_two_bins_by_hand() -> None:
    # Ten prompts at 0.2, of which strong wins 1 and ties 2; ten at 0.8, of which it wins 9.
    scores = np.repeat([0.2, 0.8], 10)
    gain = np.array([1, 0, 0, *[-1] * 7, *[1] * 9, -1.0])
    found = reliability(scores, gain)
    assert found.score == pytest.approx([0.2, 0.8])
    assert found.observed == pytest.approx([0.2, 0.9])
    assert found.share == pytest.approx([0.5, 0.5])
    assert found.calibration_error == pytest.approx((0 + 0.1) / 2)
    # Clopper and Pearson: 2 of 10 and 9 of 10.
    assert found.low == pytest.approx([beta.ppf(0.025, 2, 9), beta.ppf(0.025, 9, 2)])
    assert found.high == pytest.approx([beta.ppf(0.975, 3, 8), beta.ppf(0.975, 10, 1)])


def test_bins_hold_equally_many_requests() -> None:
    scores = np.linspace(0, 1, 200)
    assert reliability(scores, scores).share == pytest.approx([0.1] * 10)


def test_a_few_prompts_make_fewer_bins() -> None:
    scores = np.linspace(0, 1, 35)
    assert len(reliability(scores, scores).score) == 3
    assert len(reliability(scores[:5], scores[:5]).score) == 1


@given(rows)
def test_equal_scores_stay_together_and_every_request_counts(
    given_: list[tuple[int, int, int]],
) -> None:
    score, gain, weights = np.array(given_, dtype=float).T
    found = reliability(score / 20, gain, weights=weights)
    assert len(found.score) <= min(10, max(1, len(score) // 10))
    assert (np.diff(found.score) > 0).all()
    assert found.share.sum() == pytest.approx(1)
    assert found.share @ found.score == pytest.approx(np.average(score / 20, weights=weights))
    assert found.share @ found.observed == pytest.approx(
        np.average((gain + 1) / 2, weights=weights)
    )
    assert (found.low <= found.observed + 1e-12).all()
    assert (found.observed <= found.high + 1e-12).all()
    assert 0 <= found.calibration_error <= 1
    if len(np.unique(score)) == 1:
        assert len(found.score) == 1


def test_weights_that_differ_widen_the_intervals() -> None:
    scores, gain = np.full(100, 0.5), np.tile([1.0, -1.0], 50)
    alike = reliability(scores, gain, weights=np.full(100, 7.0))
    apart = reliability(scores, gain, weights=np.repeat([1.0, 20.0], 50))
    assert alike.low == pytest.approx(reliability(scores, gain).low)
    assert apart.high - apart.low > 1.3 * (alike.high - alike.low)


def faultless(
    generator: np.random.Generator, n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Win rates that are what they are called, with ties for a third of those near one half."""
    scores = generator.uniform(0.2, 0.8, n)
    near = np.abs(scores - 0.5) < 0.2
    # Ties give 1/6 of a win, so the other two thirds give the rest.
    odds = np.where(near, (scores - 1 / 6) / (2 / 3), scores)
    gain = np.where(generator.random(n) < odds, 1.0, -1.0)
    return scores, np.where(near & (generator.random(n) < 1 / 3), 0.0, gain)


def test_the_error_by_chance_is_what_faultless_win_rates_have_and_the_intervals_hold() -> None:
    generator = np.random.default_rng(0)
    found = [reliability(*faultless(generator, 300)) for _ in range(400)]
    error = np.mean([each.calibration_error for each in found])
    assert error == pytest.approx(np.mean([each.by_chance for each in found]), rel=0.06)
    held = np.mean([(each.low <= each.score) & (each.score <= each.high) for each in found])
    assert held > 0.95


def test_scores_that_are_off_have_an_error_far_above_chance() -> None:
    scores, gain = faultless(np.random.default_rng(0), 2000)
    found = reliability(scores / 2, gain)
    assert found.calibration_error > 5 * found.by_chance


def test_each_router_has_its_own_panel() -> None:
    found = reliabilities(
        judged([1, 1, 0], [0, 1, 1]), {"a": np.full(3, 0.4), "b": np.full(3, 0.9)}, confidence=0.8
    )
    assert found["a"].calibration_error == pytest.approx(0.1)
    assert found["b"].calibration_error == pytest.approx(0.4)
    assert found["a"].confidence == 0.8


def test_what_is_no_win_rate_is_refused() -> None:
    with pytest.raises(CalibrationError, match="1 of 2 scores"):
        reliability(np.array([0.5, 1.1]), np.array([1.0, 0.0]))
