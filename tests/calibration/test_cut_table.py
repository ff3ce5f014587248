import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.calibration import cut_table
from routectl.errors import CalibrationError

# Few distinct values, so that ties are the rule; the ends, denormals, and neighbours of 1 ulp.
awkward = st.sampled_from([0.0, 5e-324, 1e-300, 0.3, 0.1 + 0.2, 0.5, 1 - 2**-53, 1.0, 2 / 3])
scores = st.lists(st.one_of(awkward, st.floats(0.0, 1.0)), min_size=1, max_size=40)


@given(scores, st.data())
def test_every_row_is_what_its_gap_does_to_the_sample(win_rates, data):
    win_rates = np.array(win_rates)
    weights = np.array(
        data.draw(st.lists(st.floats(0.01, 100), min_size=len(win_rates), max_size=len(win_rates)))
    )
    table = cut_table(win_rates, weights, tokens=np.full(len(weights), 7.0))
    highest_is_one = win_rates.max() == 1.0
    assert len(table) == len(set(win_rates)) + (0 if highest_is_one else 1)
    for row in range(len(table)):
        for threshold in {table.upper[row], np.nextafter(table.lower[row], 2.0)}:
            assert 0.0 <= threshold <= 1.0
            strong = win_rates >= threshold
            assert table.requests[row] == pytest.approx(weights[strong].sum(), abs=1e-9)
            assert table.share[row] == pytest.approx(weights[strong].sum() / weights.sum())
            assert table.token_share[row] == pytest.approx(table.share[row])
            assert table.index_at(threshold) == row


@pytest.mark.parametrize("weight", [1.0, 0.1, 10.37, 1 / 3])
def test_shares_of_equal_weights_are_exact(weight):
    table = cut_table(np.arange(10) / 10, np.full(10, weight))
    assert table.share.tolist() == [k / 10 for k in range(11)]


def test_tokens_and_spend_are_shares_of_what_is_known():
    nan = np.nan
    table = cut_table(
        np.array([0.9, 0.1, 0.5]),
        np.array([1.0, 1.0, 2.0]),
        tokens=np.array([100.0, 700.0, nan]),
        spend=np.array([nan, nan, nan]),
    )
    assert table.token_share.tolist() == [0.0, 0.125, 0.125, 1.0]
    assert table.spend_share is None


def test_a_threshold_outside_0_to_1_is_at_no_cut():
    table = cut_table(np.array([0.2, 0.4]), np.ones(2))
    with pytest.raises(ValueError, match="between 0 and 1"):
        table.index_at(float("nan"))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1e-9, 1.0000001])
def test_scores_that_are_no_win_rates_are_refused_with_their_count(bad, sample_of):
    for build in (sample_of, lambda s: cut_table(s, np.ones(3))):
        with pytest.raises(CalibrationError, match="2 of 3 scores"):
            build(np.array([0.5, bad, bad]))


def test_an_empty_sample_is_refused(sample_of):
    with pytest.raises(CalibrationError, match="No request has a score"):
        sample_of([])


@pytest.mark.parametrize("weight", [0.0, -1.0, np.nan, np.inf])
def test_a_weight_that_is_no_positive_number_is_refused(weight, sample_of):
    with pytest.raises(CalibrationError, match="weight"):
        sample_of([0.1, 0.2], weights=[1.0, weight])
