"""Batches of texts of like length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Split texts into batches that waste little on padding.

    Args:
        lengths: tokens of each text.
        budget: the most tokens in a batch, counted as texts x the longest one's length. A text
            that is longer than the budget is a batch of its own.

    Yields:
        Indices into `lengths`, longest texts first, each index once.
    """
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    start = 0
    while start < len(order):
        size = max(1, budget // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size


def runs(lengths: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Neighbours of one length: first token, texts, tokens of each."""
    start = 0
    for length, group in groupby(lengths):
        count = len(list(group))
        yield start, count, length
        start += count * length
