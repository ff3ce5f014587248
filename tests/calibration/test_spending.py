from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.calibration.spending import spending

NAN = np.nan


def test_four_requests_by_hand():
    found = spending(
        np.array([0.010, 0.030, 0.020, NAN]),
        np.array([0.001, 0.002, 0.003, NAN]),
        np.array([1.0, 2.0, 1.0, 4.0]),
        np.array([True, False, False, True]),
    )
    # Of the four requests that are known, one is strong: 0.010 + 2 * 0.002 + 0.003.
    assert found.this_threshold == pytest.approx(1000 * 0.017 / 4)
    assert found.always_strong == pytest.approx(1000 * 0.090 / 4)
    assert found.always_weak == pytest.approx(1000 * 0.008 / 4)
    # Of all eight, five are.
    assert found.random == pytest.approx(1000 * (5 / 8 * 0.090 + 3 / 8 * 0.008) / 4)
    assert found.known == 0.5


def test_where_no_cost_is_known_nothing_is_said():
    nothing = np.full(3, NAN)
    assert spending(nothing, nothing, np.ones(3), np.ones(3, dtype=bool)) is None


@given(
    st.lists(
        st.tuples(st.floats(0, 9), st.floats(0, 9), st.floats(0.1, 9), st.booleans()), min_size=1
    )
)
def test_a_threshold_that_sends_all_or_nothing_costs_what_always_costs(rows):
    strong_cost, weak_cost, weights, strong = (np.array(part) for part in zip(*rows, strict=True))
    found = spending(strong_cost, weak_cost, weights, strong)
    lowest, highest = (
        1000 * np.average(side(strong_cost, weak_cost), weights=weights)
        for side in (np.minimum, np.maximum)
    )
    assert all(lowest - 1e-6 <= amount <= highest + 1e-6 for amount in astuple(found)[:4])
    everything, nothing = (
        spending(strong_cost, weak_cost, weights, np.full(len(rows), to)) for to in (True, False)
    )
    assert everything.this_threshold == pytest.approx(everything.always_strong)
    assert everything.random == pytest.approx(everything.always_strong)
    assert nothing.this_threshold == pytest.approx(nothing.always_weak)
    assert nothing.random == pytest.approx(nothing.always_weak)
