"""Nearest neighbours by cosine: contamination, Table 5 of RouteLLM (arXiv 2406.18665), drift.

Everything is computed in tiles, so memory does not grow with either side, and exactly: no pair is
left out by an index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TILE_QUERIES = 512
TILE_OTHERS = 4096
"""A tile of 512 x 4,096 float32 is 8 MiB: it stays in the cache between the product and its use,
and is large enough for the product to run at the speed of a whole one."""

ROUNDING = 1e-6
"""By how much a float32 cosine of two unit vectors can miss its true value."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest neighbour of each of n queries."""

    cosine: NDArray[np.float32]
    """Shape (n,), in [-1, 1]."""
    index: NDArray[np.int64]
    """Shape (n,): the neighbour's row; the first of several that are equally near."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Some pairs of a query and another vector; parallel arrays."""

    query: NDArray[np.int64]
    other: NDArray[np.int64]
    cosine: NDArray[np.float32]


def nearest(queries: NDArray[np.float32], others: NDArray[np.float32]) -> Nearest:
    """For each query the largest cosine to any of the others, and whose it is.

    Args:
        queries: shape (n, D), rows of length 1.
        others: shape (m, D), rows of length 1; m is at least 1 unless n is 0.

    Raises:
        ValueError: the shapes do not fit, or there is nothing to be near to.
    """
    import numpy as np

    if len(queries) and not len(others):
        raise ValueError("there is nothing to be near to")
    cosine = np.full(len(queries), -np.inf, dtype=np.float32)
    index = np.zeros(len(queries), dtype=np.int64)
    for row, column, tile in _tiles(queries, others):
        closest = tile.argmax(axis=1)
        best = tile[np.arange(len(tile)), closest]
        part = slice(row, row + len(tile))
        # Strictly: of equals in two tiles the first stays.
        nearer = best > cosine[part]
        cosine[part][nearer] = best[nearer]
        index[part][nearer] = closest[nearer] + column
    return Nearest(np.clip(cosine, -1.0, 1.0), index)


def similar_pairs(
    queries: NDArray[np.float32], others: NDArray[np.float32], threshold: float
) -> Iterator[Pairs]:
    """All pairs with a cosine of `threshold` or above, tile by tile.

    Of a tile's pairs, those of one query are adjacent; all pairs of the first 512 queries come
    before those of the next. `ROUNDING` is granted, so that equal vectors are at 1.

    Args:
        queries: shape (n, D), rows of length 1.
        others: shape (m, D), rows of length 1.

    Raises:
        ValueError: the shapes do not fit.
    """
    import numpy as np

    least = np.float32(threshold - ROUNDING)
    for row, column, tile in _tiles(queries, others):
        query, other = np.nonzero(tile >= least)
        if len(query):
            cosine = np.clip(tile[query, other], -1.0, 1.0)
            yield Pairs(query + row, other + column, cosine)


def _tiles(
    queries: NDArray[np.float32], others: NDArray[np.float32]
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """The cosines of a tile, with its first query and its first other. The next tile reuses its
    memory."""
    import numpy as np

    if queries.ndim != 2 or others.ndim != 2 or queries.shape[1] != others.shape[1]:
        raise ValueError(f"cannot compare vectors of shapes {queries.shape} and {others.shape}")
    height, width = min(TILE_QUERIES, len(queries)), min(TILE_OTHERS, len(others))
    memory = np.empty(height * width, dtype=np.float32)
    for row in range(0, len(queries), TILE_QUERIES):
        rows = np.ascontiguousarray(queries[row : row + TILE_QUERIES], dtype=np.float32)
        for column in range(0, len(others), TILE_OTHERS):
            part = np.asarray(others[column : column + TILE_OTHERS], dtype=np.float32)
            tile = memory[: len(rows) * len(part)].reshape(len(rows), len(part))
            np.matmul(rows, part.T, out=tile)
            yield row, column, tile


@dataclass(frozen=True, slots=True)
class MeanSimilarity:
    """The mean over requests of the largest cosine, and how sure it is."""

    mean: float
    low: float
    high: float
    confidence: float
    effective_prompts: float
    """Kish's: how many equally frequent prompts would say as much."""


def mean_similarity(
    cosine: NDArray[np.float32], weights: NDArray[np.float64], confidence: float = 0.95
) -> MeanSimilarity:
    """The weighted mean of cosines: RouteLLM's Table 5, by requests instead of by prompts.

    Prompts are what was sampled and a prompt's weight is as random as its cosine, so the mean is
    a ratio: its variance is the linearised n/(n-1) * sum of (w_i (x_i - mean))^2 / (sum of w)^2.
    Student's t counts effective prompts less 1, because few frequent prompts may decide it.

    Args:
        cosine: shape (n,), one of each distinct prompt.
        weights: shape (n,), above 0: the requests with that prompt.
    """
    import numpy as np
    from scipy.special import stdtrit

    n, total = len(cosine), float(weights.sum())
    values = cosine.astype(np.float64)
    mean = float(weights @ values) / total
    effective = total**2 / float(weights @ weights)
    if n < 2 or effective <= 1:
        return MeanSimilarity(mean, -1.0, 1.0, confidence, effective)
    residuals = weights * (values - mean)
    variance = n / (n - 1) * float(residuals @ residuals) / total**2
    # Equal weights make it n, but for rounding; below 1 Student's t has no meaning.
    freedom = max(effective - 1, 1.0)
    half = float(stdtrit(freedom, (1 + confidence) / 2)) * variance**0.5
    return MeanSimilarity(
        mean, max(-1.0, mean - half), min(1.0, mean + half), confidence, effective
    )
