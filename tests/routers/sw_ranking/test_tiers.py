import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.routers.sw_ranking.tiers import make_tiers


def criterion(ratings: np.ndarray, tiers: np.ndarray) -> float:
    return float(sum(np.var(ratings[tiers == tier]) for tier in np.unique(tiers)))


def test_models_of_like_rating_are_one_tier() -> None:
    ratings = np.array([0.0, 5.1, 2.0, 5.0, 0.1])
    assert make_tiers(ratings, 3).tolist() == [2, 0, 1, 0, 2]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_as_many_tiers_as_models_are_the_models_in_order(count: int) -> None:
    ratings = np.arange(float(count))
    assert make_tiers(ratings, count).tolist() == list(range(count))[::-1]


def test_equal_ratings_leave_no_tier_empty() -> None:
    assert sorted(set(make_tiers(np.zeros(12), 10).tolist())) == list(range(10))


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=9), st.integers(1, 4))
def test_no_other_split_has_a_smaller_sum_of_variances(values: list[float], tiers: int) -> None:
    ratings = np.sort(np.array(values))[::-1]
    tiers = min(tiers, len(ratings))
    found = make_tiers(ratings, tiers)
    assert np.unique(found).tolist() == list(range(tiers))
    assert (np.diff(found) >= 0).all()
    best = min(
        criterion(ratings, np.searchsorted(cuts, np.arange(len(ratings)), side="right"))
        for cuts in itertools.combinations(range(1, len(ratings)), tiers - 1)
    )
    assert criterion(ratings, found) == pytest.approx(best, abs=1e-9)
