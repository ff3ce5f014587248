"""Models of like strength as one tier, so that few ratings are fitted from many battles."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_TIERS = 10
"""As published (RouteLLM, section 4.2.1)."""


def make_tiers(ratings: NDArray[np.float64], tiers: int) -> NDArray[np.int32]:
    """Split models into tiers so that the sum of the tiers' variances is least.

    The published criterion (RouteLLM, section 4.2.1): each tier's variance counts alike, however
    many models it has. Exact, by dynamic programming over the models in descending order; of equal
    splits, the one whose strong tiers are smallest.

    Args:
        ratings: shape (models,), finite.
        tiers: at least 1, at most the number of models. Every tier gets a model.

    Returns:
        Shape (models,): tier 0 is the strongest.
    """
    import numpy as np

    order = np.argsort(-ratings, kind="stable")
    cost = _variances(ratings[order])
    count = len(ratings)
    best = cost[0]  # best[j]: models 0..j in the tiers so far
    splits = np.zeros((tiers, count), dtype=np.intp)  # where the last of them begins
    for tier in range(1, tiers):
        # Models 0..i-1 in the earlier tiers, i..j in this one.
        totals = np.full((count, count), np.inf)
        totals[tier:] = best[tier - 1 : count - 1, None] + cost[tier:]
        splits[tier] = np.argmin(totals, axis=0)
        best = totals[splits[tier], np.arange(count)]
    tier_of_model = np.zeros(count, dtype=np.int32)
    end = count
    for tier in range(tiers - 1, -1, -1):
        begin = splits[tier, end - 1] if tier else 0
        tier_of_model[order[begin:end]] = tier
        end = int(begin)
    return tier_of_model


def _variances(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of values i..j, both included, at [i, j]; infinite where j < i."""
    import numpy as np

    centred = values - values.mean()
    sums = np.concatenate(([0.0], np.cumsum(centred)))
    squares = np.concatenate(([0.0], np.cumsum(centred**2)))
    first, last = np.triu_indices(len(values))
    size = last + 1 - first
    mean = (sums[last + 1] - sums[first]) / size
    variances = np.full((len(values), len(values)), np.inf)
    variances[first, last] = np.maximum((squares[last + 1] - squares[first]) / size - mean**2, 0.0)
    return variances
