from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from routectl.errors import InputError
from routectl.report.lines import Threshold
from routectl.report.quality_cost import cost_oracle, quality_costs
from tests.report.benchmarks import judged

rows = st.lists(st.tuples(*[st.integers(0, 5)] * 4, st.integers(1, 4)), min_size=1, max_size=7).map(
    lambda found: np.array(found, dtype=float).T
)


def test_four_prompts_by_hand() -> None:
    costs = quality_costs(
        judged(
            [1, 1, 0, 1],
            [0, 1, 0, 0],
            strong_cost=np.array([0.010, 0.002, 0.004, 0.004]),
            weak_cost=np.array([0.001, 0.001, 0.001, 0.001]),
        ),
        {"mine": np.array([0.9, 0.7, 0.7, 0.1])},
        thresholds={"mine": Threshold("router-mine-0.8", 0.8)},
    )
    (mine,) = costs.routers
    # USD per 1,000 requests: 1 for always-weak; +9/4 for the first; the tied two together; all.
    assert mine.x == pytest.approx([1, 3.25, 4.25, 5])
    assert mine.quality == pytest.approx([0.25, 0.5, 0.5, 0.75])
    random, oracle = costs.baselines
    assert random.x == pytest.approx([1, 5])
    # The gain that costs 3 comes before the one that costs 9.
    assert oracle.x[:3] == pytest.approx([1, 1.75, 4])
    assert oracle.quality[:3] == pytest.approx([0.25, 0.5, 0.75])
    point = costs.points["mine"]
    assert point[:3] == ("router-mine-0.8", pytest.approx(3.25), pytest.approx(0.5))
    assert point.words == "25.0 % strong, 3.250 USD, quality 0.500"
    assert costs.always_weak[1:3] == pytest.approx((1, 0.25))
    assert costs.always_strong[1:3] == pytest.approx((5, 0.75))


@given(rows)
@settings(deadline=None, max_examples=60)
def test_no_choice_of_models_is_above_the_oracle(found: NDArray[np.float64]) -> None:
    strong, weak, strong_cost, weak_cost, weights = found
    pair = judged(strong, weak, strong_cost=strong_cost, weak_cost=weak_cost, weights=weights)
    oracle = cost_oracle(pair, strong_cost, weak_cost)
    assert (np.diff(oracle.x) >= 0).all()
    for choice in product((True, False), repeat=len(strong)):
        cost, quality = (
            np.average(np.where(choice, *both), weights=weights)
            for both in ((strong_cost, weak_cost), (strong, weak))
        )
        # Where the line stands upright, its highest point counts.
        at = 1000 * cost
        best = max(
            np.interp(at, oracle.x, oracle.quality),
            oracle.quality[np.isclose(oracle.x, at)].max(initial=-1),
        )
        assert quality <= best + 1e-9


@given(rows)
@settings(deadline=None, max_examples=60)
def test_a_routers_line_goes_from_always_weak_to_always_strong(
    found: NDArray[np.float64],
) -> None:
    strong, weak, strong_cost, weak_cost, weights = found
    pair = judged(strong, weak, strong_cost=strong_cost, weak_cost=weak_cost, weights=weights)
    costs = quality_costs(pair, {"mine": strong / 5})
    (mine,) = costs.routers
    for at, cost, quality in ((0, weak_cost, weak), (-1, strong_cost, strong)):
        assert mine.x[at] == pytest.approx(1000 * np.average(cost, weights=weights))
        assert mine.quality[at] == pytest.approx(np.average(quality, weights=weights))


def test_without_costs_there_is_nothing_to_plot() -> None:
    with pytest.raises(InputError, match="own holds no costs of big-1 / little-1"):
        quality_costs(judged([1, 1], [0, 1]), {"mine": np.array([0.1, 0.2])})
