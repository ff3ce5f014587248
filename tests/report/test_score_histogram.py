import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.errors import CalibrationError
from routectl.report.lines import Threshold
from routectl.report.score_histogram import OUTCOMES, score_histogram, score_histograms
from tests.report.benchmarks import judged

scores_and_weights = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 0.5, 0.5000001, 0.9, 1.0]), st.integers(1, 9)),
    min_size=1,
    max_size=200,
)


def test_five_prompts_by_hand() -> None:
    histogram = score_histogram(
        np.array([0.2, 0.4, 0.4, 0.8, 0.9]),
        strong_gain=np.array([2.0, 0, -1, 0.5, 0]),
        threshold=Threshold("router-mine-0.8", 0.8),
    )
    assert histogram.strong_fraction == pytest.approx(0.4)
    at = int(np.flatnonzero(histogram.edges == 0.8)[0])
    assert histogram.share[:at].sum() == pytest.approx(0.6)
    assert histogram.share[at] == pytest.approx(0.2)
    assert {name: share.sum() for name, share in histogram.by_outcome.items()} == pytest.approx(
        {"strong better": 0.4, "equal": 0.4, "weak better": 0.2}
    )


@given(scores_and_weights, st.sampled_from([None, 0.0, 0.3, 0.5, 0.50000005, 1.0]))
def test_every_request_is_in_one_bin_or_outside_and_on_one_side_of_the_threshold(
    rows: list[tuple[float, int]], threshold: float | None
) -> None:
    scores, weights = np.array(rows, dtype=float).T
    given_ = None if threshold is None else Threshold("router-mine", threshold)
    found = score_histogram(scores, weights=weights, threshold=given_)
    assert found.share.sum() + found.below + found.above == pytest.approx(1)
    assert (np.diff(found.edges) > 0).all()
    if threshold is None:
        assert found.strong_fraction is None
        return
    strong = weights[scores >= threshold].sum() / weights.sum()
    assert found.strong_fraction == pytest.approx(strong)
    if found.edges[0] <= threshold <= found.edges[-1]:
        at = np.searchsorted(found.edges, threshold)
        assert found.edges[at] == threshold
        assert found.share[at:].sum() + found.above == pytest.approx(strong)


def test_scores_in_a_very_narrow_range_fill_the_picture() -> None:
    scores = 0.5 + 3e-6 * np.random.default_rng(0).standard_normal(1000)
    found = score_histogram(scores, threshold=Threshold("router-mine-0.500001", 0.500001))
    assert (found.share > 0).sum() > 25
    assert (found.below, found.above) == (0, 0)


def test_a_few_scores_far_out_do_not_squeeze_the_others_and_are_counted() -> None:
    scores = np.append(0.5 + 0.004 * np.random.default_rng(0).standard_normal(995), [0.9] * 5)
    found = score_histogram(scores)
    assert found.edges[-1] < 0.53
    assert found.above == pytest.approx(0.005)
    assert found.below == 0


def test_a_threshold_far_away_leaves_the_picture_to_the_scores_but_not_the_share() -> None:
    scores = np.linspace(0.49, 0.51, 100)
    found = score_histogram(scores, threshold=Threshold("router-mine-0.11593", 0.11593))
    assert found.edges[0] == 0.49
    assert found.strong_fraction == 1


def test_equal_scores_are_one_bar() -> None:
    found = score_histogram(np.full(50, 2 / 3))
    assert sorted(found.share)[-2:] == [0, pytest.approx(1)]
    assert found.edges[0] < 2 / 3 < found.edges[-1]


def test_each_router_has_its_own_panel_and_threshold() -> None:
    found = score_histograms(
        judged([1, 1, 0], [0, 1, 1], weights=np.array([2.0, 1, 1])),
        {"mine": np.array([0.9, 0.5, 0.1]), "other": np.array([0.1, 0.2, 0.3])},
        {"mine": Threshold("router-mine-0.5", 0.5)},
    )
    assert found["mine"].strong_fraction == pytest.approx(0.75)
    assert found["other"].threshold is None
    assert set(found["other"].by_outcome) == set(OUTCOMES)
    assert found["other"].by_outcome["strong better"].sum() == pytest.approx(0.5)


def test_what_is_no_win_rate_is_refused() -> None:
    with pytest.raises(CalibrationError, match="1 of 2 scores"):
        score_histogram(np.array([0.5, np.nan]))
