from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.calibration import Cut, Events, StrongFraction, cut_table

NAN = np.nan


def spending(scores, weights, strong_cost, weak_cost, threshold):
    """What a threshold costs."""
    weights = np.array(weights)
    table = cut_table(
        Events(
            np.array(scores),
            weights,
            cost_strong=weights * np.array(strong_cost),
            cost_weak=weights * np.array(weak_cost),
        ),
        lowest=0.0,
        highest=1.0,
    )
    return Cut.of(table, table.at(threshold), str(threshold)).spending


def test_four_requests_by_hand():
    cost = spending(
        scores=[0.9, 0.1, 0.2, 0.8],
        weights=[1.0, 2.0, 1.0, 4.0],
        strong_cost=[0.010, 0.030, 0.020, NAN],
        weak_cost=[0.001, 0.002, 0.003, 0.5],
        threshold=0.5,
    )
    # Of the four requests that are known, one is strong: 0.010 + 2 * 0.002 + 0.003.
    assert cost.this_threshold == pytest.approx(1000 * 0.017 / 4)
    assert cost.always_strong == pytest.approx(1000 * 0.090 / 4)
    assert cost.always_weak == pytest.approx(1000 * 0.008 / 4)
    # Of all eight, five are.
    assert cost.random == pytest.approx(1000 * (5 / 8 * 0.090 + 3 / 8 * 0.008) / 4)
    assert cost.known_share == 0.5


def test_where_no_cost_is_known_nothing_is_said():
    assert spending([0.1, 0.2], [1.0, 1.0], [NAN, 1.0], [1.0, NAN], 0.15) is None


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(0.1, 9), st.floats(0, 9), st.floats(0, 9)), min_size=1
    ),
    st.floats(0, 1),
)
def test_a_threshold_costs_what_its_requests_cost(rows, threshold):
    scores, weights, strong_cost, weak_cost = map(np.array, zip(*rows, strict=True))
    cost = spending(scores, weights, strong_cost, weak_cost, threshold)
    strong = scores >= threshold
    assert cost.known_share == 1.0
    for amount, of_requests in (
        (cost.this_threshold, np.where(strong, strong_cost, weak_cost)),
        (cost.always_strong, strong_cost),
        (cost.always_weak, weak_cost),
    ):
        assert amount == pytest.approx(1000 * np.average(of_requests, weights=weights), abs=1e-9)
    lowest, highest = (
        1000 * np.average(side(strong_cost, weak_cost), weights=weights)
        for side in (np.minimum, np.maximum)
    )
    assert all(lowest - 1e-6 <= amount <= highest + 1e-6 for amount in astuple(cost)[:4])


def test_the_shares_next_to_a_cut_end_with_the_table():
    table = cut_table(Events(np.array([0.2, 0.4]), np.ones(2)), lowest=0.0, highest=1.0)
    shares = [
        (cut.next_share_below, cut.strong_fraction, cut.next_share_above)
        for cut in (StrongFraction(share).cut(table, 0.0) for share in (0.0, 0.5, 1.0))
    ]
    assert shares == [(None, 0.0, 0.5), (0.0, 0.5, 1.0), (0.5, 1.0, None)]
