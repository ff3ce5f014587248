"""Bradley and Terry's model of many weighted sets of battles at once, by Newton's method.

Tier a beats tier b with probability `sigmoid(rating_a - rating_b)`; a tie is half a win for each.
The likelihood depends on the battles only through how often each two tiers met and how often each
tier won, so that is what a fit takes: its *statistics*, the met counts of the T(T-1)/2 pairs in the
order of `tier_pairs`, then the wins of the T tiers, all weighted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from routectl.errors import RouterError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST_STEPS = 100
_LARGEST_STEP = 2.0
_SMALL_STEP = 1e-6
"""The error after a Newton step is about the square of the step: far below what a float32 weight
knows."""


def tier_pairs(tiers: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Each two tiers, a < b, in the order of the statistics; shape (T(T-1)/2,) each."""
    import numpy as np

    return np.triu_indices(tiers, 1)


def statistics_width(tiers: int) -> int:
    """How many numbers the statistics of T tiers are: T(T-1)/2 + T."""
    return tiers * (tiers + 1) // 2


def pair_columns(
    first: NDArray[np.integer], second: NDArray[np.integer], tiers: int
) -> NDArray[np.intp]:
    """The column of the statistics that counts the battles of two tiers, in any order."""
    import numpy as np

    low = np.minimum(first, second).astype(np.intp)
    high = np.maximum(first, second).astype(np.intp)
    columns: NDArray[np.intp] = low * (2 * tiers - low - 1) // 2 + high - low - 1
    return columns


def counts(
    rows: NDArray[np.integer],
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    outcome: NDArray[np.floating],
    weight: NDArray[np.floating],
    shape: tuple[int, int],
) -> NDArray[np.float64]:
    """The statistics of sets of battles. Battles within one tier say nothing, and drop out.

    Args:
        rows: which set each battle belongs to, shape (battles,), as all of these.
        first: tier of model a.
        second: tier of model b.
        outcome: 1 where a won, 0 where b won, 1/2 for a tie.
        weight: of the battle, >= 0.
        shape: number of sets, number of tiers.

    Returns:
        Shape (sets, `statistics_width`).
    """
    import numpy as np

    sets, tiers = shape
    apart = first != second
    rows, first, second = rows[apart], first[apart], second[apart]
    won, met = (outcome[apart] * weight[apart]).astype(np.float64), weight[apart]
    pairs, width = len(tier_pairs(tiers)[0]), statistics_width(tiers)
    totals = np.zeros(sets * width)
    base = rows.astype(np.intp) * width
    for column, amount in (
        (pair_columns(first, second, tiers), met),
        (pairs + first, won),
        (pairs + second, met - won),
    ):
        totals += np.bincount(base + column, weights=amount, minlength=len(totals))
    return totals.reshape(sets, width)


def even(tiers: int, battles: float) -> NDArray[np.float64]:
    """The statistics of so many ties between each two tiers, shape (`statistics_width`,)."""
    import numpy as np

    pairs = len(tier_pairs(tiers)[0])
    return np.concatenate((np.full(pairs, battles), np.full(tiers, (tiers - 1) * battles / 2)))


def fit(
    statistics: NDArray[np.float64], tiers: int, start: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """The maximum-likelihood ratings of n sets of battles.

    Args:
        statistics: shape (n, `statistics_width`), finite, >= 0.
        tiers: T >= 2.
        start: ratings from which to begin, shape (T,) or (n, T); None is all alike.

    Returns:
        Shape (n, T), log-odds; the last tier's is 0.

    Raises:
        RouterError: a set has no such ratings, because some tiers never lost to the others.
    """
    import numpy as np

    # The scale of the weights moves no rating, and would hide a singular matrix.
    met, wins = _split(_per_battle(statistics), tiers)
    ratings = np.zeros((len(statistics), tiers))
    if start is not None:
        ratings += start - start[..., -1:]
    for _ in range(_MOST_STEPS):
        gradient, hessian = _derivatives(met, wins, ratings)
        try:
            step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        except np.linalg.LinAlgError:
            break
        largest = np.abs(step).max(initial=0.0)
        if not np.isfinite(largest):
            break
        ratings[:, :-1] += np.clip(step, -_LARGEST_STEP, _LARGEST_STEP)
        if largest < _SMALL_STEP:
            return ratings
    raise RouterError(
        "The ratings of the tiers do not exist: some tiers never lost to the others, or never met "
        "them; train again with more battles."
    )


def gradient_norms(
    statistics: NDArray[np.float64], ratings: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Largest entry of the log-likelihood's gradient, per battle's weight; shape (n,)."""
    import numpy as np

    met, wins = _split(_per_battle(statistics), ratings.shape[1])
    norms: NDArray[np.float64] = np.abs(_derivatives(met, wins, ratings)[0]).max(axis=1)
    return norms


def adjoint(
    statistics: NDArray[np.float64], ratings: NDArray[np.float64], first: int, second: int
) -> NDArray[np.float64]:
    """How the difference of two tiers' ratings moves with each number of the statistics.

    By the implicit function theorem: with the Hessian H and g the gradient of the likelihood,
    d(rating_first - rating_second) = (e_first - e_second) . H^-1 dg.

    Returns:
        Shape (n, `statistics_width`).
    """
    import numpy as np

    tiers = ratings.shape[1]
    a, b = tier_pairs(tiers)
    _, hessian = _derivatives(*_split(statistics, tiers), ratings)
    asked = np.zeros((tiers, 1))
    asked[first] += 1
    asked[second] -= 1
    moved = np.zeros_like(ratings)
    moved[:, :-1] = np.linalg.solve(hessian, asked[:-1])[..., 0]
    expected = _win_rates(ratings)[:, a, b]
    of_pairs = -(moved[:, a] * expected + moved[:, b] * (1 - expected))
    return np.concatenate((of_pairs, moved), axis=1)


def _per_battle(statistics: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scaled so that each set's battles weigh 1 in all."""
    import numpy as np

    totals = statistics.sum(axis=1, keepdims=True) / 2
    return statistics / np.where(totals > 0, totals, 1.0)


def _split(
    statistics: NDArray[np.float64], tiers: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How often each two tiers met, shape (n, T, T), and how often each won, shape (n, T)."""
    import numpy as np

    a, b = tier_pairs(tiers)
    met = np.zeros((len(statistics), tiers, tiers))
    met[:, a, b] = met[:, b, a] = statistics[:, : len(a)]
    return met, statistics[:, len(a) :]


def _derivatives(
    met: NDArray[np.float64], wins: NDArray[np.float64], ratings: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gradient and negative Hessian of the log-likelihood, the last tier's rating held at 0.

    Returns:
        Shapes (n, T - 1) and (n, T - 1, T - 1).
    """
    import numpy as np

    rates = _win_rates(ratings)
    won = met * rates
    hessian = -won * (1 - rates)
    tiers = np.arange(ratings.shape[1])
    hessian[:, tiers, tiers] = -hessian.sum(axis=2)
    return (wins - won.sum(axis=2))[:, :-1], hessian[:, :-1, :-1]


def _win_rates(ratings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each tier against each other, shape (n, T, T)."""
    import numpy as np

    # Clipped where the rate is 0 or 1 to every bit, so that exp cannot overflow.
    rates: NDArray[np.float64] = 1 / (
        1 + np.exp(np.clip(ratings[:, None, :] - ratings[:, :, None], -700, 700))
    )
    return rates
