"""The statistics of battles weighted by how much their prompts resemble a new one.

A battle on a prompt of similarity s to the new one weighs `10^(1 + s / max s)`, where max s is the
similarity of the nearest prompt (RouteLLM, section 4.2.1). The factor 10 moves no rating, so here a
battle weighs `10^(s / max s)`: 10 on the nearest prompt, 1 where the similarity is 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_EXPONENT = -3.0
"""s / max s counts as this where it is below. Where nothing resembles the new prompt, max s nears 0
and the exponent minus infinity, and what is left of the battles would decide nothing. With a
nearest similarity of 1/3 or more, no prompt can be that far off."""

_QUERIES = 512
_FEWEST_QUERIES = 16
_COLUMNS = 4096
_BUFFER = 2**25
"""Similarities that are held at once, 128 MiB of them."""
_NOTHING = 1e-6
"""A similarity that rounding cannot tell from 0."""
_SEGMENT = 8
"""Prompts of equal counts, on average, from which on they are summed before they are counted."""


class Neighbours:
    """Prompts with the counts of their battles.

    Prompts whose counts are equal lie next to each other, so that a sum over each such segment and
    one small product count them all.
    """

    def __init__(
        self, vectors: NDArray[np.float32], counts: NDArray[np.float64], group: NDArray[np.integer]
    ) -> None:
        """Take the prompts.

        Args:
            vectors: shape (N, D), of any length above 0.
            counts: shape (G, F): a row of statistics, see `bradley_terry`.
            group: shape (N,), ascending: which row of counts each prompt's battles have.
        """
        import numpy as np

        self.vectors = unit(vectors)
        self.counts = counts
        self.group = group
        self._starts = np.flatnonzero(np.diff(group, prepend=-1))
        self.total: NDArray[np.float64] = (
            np.bincount(group, minlength=len(counts)).astype(np.float64) @ counts
        )
        # A segment of one prompt costs more to sum than to count.
        if len(self._starts) * _SEGMENT <= len(group):
            self._per_prompt = None
        else:
            self._per_prompt = counts[group].astype(np.float32)

    def statistics(self, queries: NDArray[np.float32]) -> NDArray[np.float64]:
        """Weighted statistics of each query.

        Where no prompt has a positive similarity, all battles weigh the same: nothing that is known
        resembles such a query.

        Args:
            queries: shape (n, D), of any length above 0.

        Returns:
            Shape (n, F).
        """
        import numpy as np

        sums = np.empty((len(queries), self.counts.shape[1]))
        for at, tiles, nearest in self._blocks(queries):
            sums[at : at + len(nearest)] = self._count(tiles, nearest)
        return sums

    def weights(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """The weight of each prompt's battles for each query, shape (n, N)."""
        import numpy as np

        weights = np.empty((len(queries), len(self.vectors)), dtype=np.float32)
        for at, tiles, nearest in self._blocks(queries):
            rows = weights[at : at + len(nearest)]
            np.concatenate(list(_raised(tiles, nearest)), axis=1, out=rows)
        return weights

    def _blocks(
        self, queries: NDArray[np.float32]
    ) -> Iterator[tuple[int, list[NDArray[np.float32]], NDArray[np.float32]]]:
        """Some queries at a time: the first one's row, their similarities and the largest of each.

        The similarities are tiles of up to `_COLUMNS` prompts, overwritten by the next block's.
        """
        import numpy as np

        prompts, queries = len(self.vectors), unit(queries)
        size = min(max(_FEWEST_QUERIES, min(_QUERIES, _BUFFER // prompts)), len(queries))
        buffer = np.empty((-(-prompts // _COLUMNS), size * min(_COLUMNS, prompts)), np.float32)
        for start in range(0, len(queries), max(size, 1)):
            block = queries[start : start + size]
            nearest = np.full(len(block), -np.inf, dtype=np.float32)
            tiles = []
            for row, at in zip(buffer, range(0, prompts, _COLUMNS), strict=True):
                part = self.vectors[at : at + _COLUMNS]
                tile = row[: len(block) * len(part)].reshape(len(block), len(part))
                np.matmul(block, part.T, out=tile)
                np.maximum(nearest, tile.max(axis=1), out=nearest)
                tiles.append(tile)
            yield start, tiles, nearest

    def _count(
        self, tiles: list[NDArray[np.float32]], nearest: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """The statistics of one block, shape (queries, F)."""
        import numpy as np

        if self._per_prompt is not None:
            totals = np.zeros((len(nearest), self.counts.shape[1]))
            for tile, at in zip(_raised(tiles, nearest), count(0, _COLUMNS), strict=False):
                totals += tile @ self._per_prompt[at : at + _COLUMNS]
            return totals
        sums = np.zeros((len(nearest), len(self._starts)))
        for tile, at in zip(_raised(tiles, nearest), count(0, _COLUMNS), strict=False):
            # The segment that the tile begins in, and those that begin inside it.
            low = np.searchsorted(self._starts, at, side="right") - 1
            high = np.searchsorted(self._starts, at + tile.shape[1])
            begins = np.maximum(self._starts[low:high] - at, 0)
            sums[:, low:high] += np.add.reduceat(tile, begins, axis=1)
        counted: NDArray[np.float64] = sums @ self.counts[self.group[self._starts]]
        return counted


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows of length 1 in single precision; a row that is one to the last bits stays as it is."""
    import numpy as np

    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    if (np.abs(lengths - 1) <= 1e-6).all():
        return rows
    shortened: NDArray[np.float32] = rows / lengths
    return shortened


def _raised(
    tiles: list[NDArray[np.float32]], nearest: NDArray[np.float32]
) -> Iterator[NDArray[np.float32]]:
    """Each tile after the other, 10^(s / max s) in place of each similarity s."""
    import numpy as np

    resembled = nearest > _NOTHING
    scale = np.where(resembled, math.log(10) / np.where(resembled, nearest, 1), 0)
    scale = scale.astype(np.float32)[:, None]
    least = np.float32(LEAST_EXPONENT * math.log(10))
    far = bool((nearest < -1 / LEAST_EXPONENT).any())
    for tile in tiles:
        np.multiply(tile, scale, out=tile)
        if far:
            np.maximum(tile, least, out=tile)
        yield np.exp(tile, out=tile)
