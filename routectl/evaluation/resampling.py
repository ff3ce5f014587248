"""Which prompts the draws of a bootstrap hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routectl.errors import InputError

Integers = NDArray[np.int64]

_CHUNK = 2_000_000
"""Prompts times draws that are held at once: 16 MB for each array of them."""


def drawn_counts(n: int, draws: int, seed: int, strata: ArrayLike | None) -> Iterator[Integers]:
    """How often each draw holds each prompt: shape (some draws, n), rows sum to n."""
    generator = np.random.default_rng(seed)
    drawn_from = None if strata is None else _Strata.of(strata, n)
    step = max(1, _CHUNK // n)
    for start in range(0, draws, step):
        size = min(step, draws - start)
        if drawn_from is None:
            prompts = generator.integers(0, n, (size, n))
        else:
            prompts = drawn_from.draw(generator, size)
        prompts = prompts + n * np.arange(size)[:, None]
        yield np.bincount(prompts.ravel(), minlength=size * n).reshape(size, n)


@dataclass(frozen=True, slots=True)
class _Strata:
    """Rows in the order of their strata."""

    order: Integers
    """Shape (n,)."""
    first: Integers
    """Shape (n,): where in `order` the stratum of each row there begins."""
    size: Integers
    """Shape (n,): how many rows it has."""

    @classmethod
    def of(cls, strata: ArrayLike, n: int) -> _Strata:
        given = np.asarray(strata)
        if given.shape != (n,):
            raise InputError(f"There are {n} scores, and strata of the shape {given.shape}.")
        _, numbers, sizes = np.unique(given, return_inverse=True, return_counts=True)
        order = np.argsort(numbers, kind="stable")
        starts = np.cumsum(sizes) - sizes
        return cls(order, starts[numbers[order]], sizes[numbers[order]])

    def draw(self, generator: np.random.Generator, draws: int) -> Integers:
        """Rows, shape (draws, n): of each stratum as many as it has."""
        drawn = generator.integers(0, self.size, (draws, len(self.order)))
        rows: Integers = self.order[self.first + drawn]
        return rows
