"""How much a score moves when the prompt's vector does."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from routectl.routers.sw_ranking.bradley_terry import adjoint, fit, tier_pairs
from routectl.routers.sw_ranking.neighbours import unit
from routectl.routers.sw_ranking.ranking import Ratings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ROUNDING = 2e-6
"""Distance of two vectors whose similarities differ as much as single precision's sums may."""

SAFETY_FACTOR = 16
"""Times the noise that a checkpoint holds, when it is opened: prompts that resemble nothing in it
have steeper gradients than those that the noise was taken on, and roundings of similarities and
sums go with them. On 800 prompts of people, scored alone and together by an `sw_ranking`, the
largest difference was 7.1 times what the checkpoint holds, over all pairs of tiers.
"""


def score_noise(
    ratings: Ratings, vectors: NDArray[np.float32], embedding_noise: float
) -> NDArray[np.float32]:
    """The noise of the strong win rate of each tier against each.

    The gradient of the win rate in the prompt's vector q, in closed form: with prompt k's vector
    v_k, similarity s_k, weight w_k and u_k = what a weight on its battles does to the difference of
    the two ratings (`adjoint`), s the largest similarity and v its prompt's vector,

        ln 10 / s * (sum_k w_k u_k v_k  -  v / s * sum_k w_k u_k s_k)

    Args:
        vectors: of prompts that are not among the ranking's and as different as can be had, shape
            (n, D), n >= 1: the steepest gradient among them counts.
        embedding_noise: the largest distance between two vectors of one prompt.

    Returns:
        Shape (T, T).
    """
    import numpy as np

    neighbours = ratings.neighbours
    queries = unit(vectors)
    similarity = (queries @ neighbours.vectors.T).astype(np.float64)
    nearest = similarity.argmax(axis=1)
    largest = np.maximum(similarity.max(axis=1), 1e-6)[:, None]
    weights = neighbours.weights(queries).astype(np.float64)
    statistics = ratings.statistics(queries)
    fitted = fit(statistics, len(ratings.unweighted), ratings.unweighted)
    per_prompt = neighbours.counts[neighbours.group]
    prompts = neighbours.vectors.astype(np.float64)
    tiers = len(ratings.unweighted)
    noise = np.zeros((tiers, tiers))
    for first, second in zip(*tier_pairs(tiers), strict=True):
        moved = weights * (adjoint(statistics, fitted, first, second) @ per_prompt.T)
        at_nearest = (moved * similarity).sum(axis=1, keepdims=True) / largest
        gradient = moved @ prompts - at_nearest * prompts[nearest]
        difference = fitted[:, [first]] - fitted[:, [second]]
        slope = 1 / (2 + 2 * np.cosh(difference)) * math.log(10) / largest
        steepest = np.linalg.norm(slope * gradient, axis=1).max()
        noise[first, second] = noise[second, first] = steepest * (embedding_noise + _ROUNDING)
    return noise.astype(np.float32)
