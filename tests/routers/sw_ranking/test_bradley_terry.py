import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routectl.errors import RouterError
from routectl.routers.sw_ranking.bradley_terry import (
    adjoint,
    counts,
    even,
    fit,
    gradient_norms,
    pair_columns,
    statistics_width,
    tier_pairs,
)

Battle = tuple[int, int, float, float]
"""Tier a, tier b, outcome, weight."""


def statistics(battles: list[Battle], tiers: int) -> np.ndarray:
    a, b, outcome, weight = (np.array(column) for column in zip(*battles, strict=True))
    return counts(np.zeros(len(a), int), a, b, outcome, weight, (1, tiers))


def reference(battles: list[Battle], tiers: int, prior: float) -> np.ndarray:
    """The direct way: every battle a row, every tie a win for each, the last tier's column gone."""
    from scipy.optimize import minimize

    ties = [(a, b, 0.5, prior) for a, b in zip(*tier_pairs(tiers), strict=True) if prior]
    rows, weights = [], []
    for a, b, outcome, weight in [*battles, *ties]:
        x = np.zeros(tiers)
        x[a] += 1
        x[b] -= 1
        rows += [x, -x]
        weights += [weight * outcome, weight * (1 - outcome)]
    x, w = np.array(rows)[:, :-1], np.array(weights)

    def loss(r: np.ndarray) -> tuple[float, np.ndarray]:
        return float(w @ np.logaddexp(0, -x @ r)), -x.T @ (w / (1 + np.exp(x @ r)))

    found = minimize(loss, np.zeros(tiers - 1), jac=True, method="BFGS", options={"gtol": 1e-9})
    return np.append(found.x, 0)


def test_three_wins_against_one_loss_are_log_three() -> None:
    ratings = fit(statistics([(0, 1, 1.0, 3.0), (1, 0, 1.0, 1.0)], 2), 2)
    np.testing.assert_allclose(ratings, [[np.log(3), 0]], atol=1e-12)


def test_a_tie_is_half_a_win_for_each() -> None:
    tied = statistics([(0, 1, 0.5, 2.0)], 2)
    won = statistics([(0, 1, 1.0, 1.0), (0, 1, 0.0, 1.0)], 2)
    assert tied.tolist() == won.tolist() == [[2.0, 1.0, 1.0]]


def test_battles_within_a_tier_drop_out() -> None:
    assert not statistics([(1, 1, 1.0, 5.0)], 3).any()


def test_every_pair_of_tiers_has_its_column() -> None:
    a, b = tier_pairs(10)
    assert pair_columns(a, b, 10).tolist() == pair_columns(b, a, 10).tolist() == list(range(45))
    assert statistics_width(10) == 45 + 10


def test_a_pair_of_tiers_that_never_met_is_rated_through_the_others() -> None:
    battles = [(0, 1, 1.0, 3.0), (0, 1, 0.0, 1.0), (1, 2, 1.0, 3.0), (1, 2, 0.0, 1.0)]
    np.testing.assert_allclose(
        fit(statistics(battles, 3), 3), [[np.log(9), np.log(3), 0]], atol=1e-12
    )


@settings(deadline=None)
@given(
    st.integers(2, 5).flatmap(
        lambda tiers: st.tuples(
            st.just(tiers),
            st.lists(
                st.tuples(
                    st.integers(0, tiers - 1),
                    st.integers(0, tiers - 1),
                    st.sampled_from([0.0, 0.5, 1.0]),
                    st.floats(0.1, 10),
                ),
                min_size=1,
                max_size=30,
            ),
        )
    )
)
def test_ratings_are_those_of_a_direct_fit(drawn: tuple[int, list[Battle]]) -> None:
    tiers, battles = drawn
    found = statistics(battles, tiers) + even(tiers, 1.0)
    ratings = fit(found, tiers)
    np.testing.assert_allclose(ratings[0], reference(battles, tiers, 1.0), atol=1e-5)
    assert gradient_norms(found, ratings)[0] < 1e-12
    # Neither the scale of the weights nor where it starts moves a rating.
    elsewhere = fit(found * 1e6, tiers, np.linspace(3, -3, tiers))
    np.testing.assert_allclose(elsewhere, ratings, atol=1e-9)


def test_a_tier_that_never_lost_has_no_rating() -> None:
    with pytest.raises(RouterError, match=r"never lost to the others.*more battles"):
        fit(statistics([(0, 1, 1.0, 5.0)], 2), 2)
    with pytest.raises(RouterError, match="never met"):
        fit(np.zeros((1, 3)), 2)


def test_the_adjoint_is_the_slope_of_the_fit() -> None:
    random = np.random.default_rng(0)
    found = statistics([(a, b, 0.3, 2.0) for a in range(4) for b in range(a)], 4)
    ratings = fit(found, 4)
    slope = adjoint(found, ratings, 0, 2)
    step = random.normal(size=found.shape) * 1e-4
    moved = fit(found + step, 4) - fit(found - step, 4)
    assert moved[0, 0] - moved[0, 2] == pytest.approx(2 * float((slope * step).sum()), rel=1e-5)
