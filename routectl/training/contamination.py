"""Prompts of preference data that a benchmark also asks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from routectl.errors import InputError
from routectl.extraction import extract
from routectl.training.rows import read_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIMILAR = 0.95
"""Cosine from which a prompt counts as the same question (RouteLLM, section 5.1)."""

_ROWS_AT_ONCE = 1024


def read_benchmark_prompts(path: Path) -> list[str]:
    """The prompts of a benchmark's file: its column `prompt`, or the first of its `turns`.

    Raises:
        InputError: the file cannot be read or has neither column.
    """
    columns, rows = read_rows(path)
    column = next((name for name in ("prompt", "turns") if name in columns), None)
    if column is None:
        raise InputError(f"{path} holds no prompts: it has neither a column prompt nor turns.")
    prompts = []
    for row in rows:
        value = row.values.get(column)
        prompt = extract(value[:1] if isinstance(value, list) else value)
        if prompt is None:
            raise row.error(f"column {column!r} must hold text and does not")
        prompts.append(prompt)
    return prompts


def similar(
    vectors: NDArray[np.float32], others: NDArray[np.float32], threshold: float = SIMILAR
) -> NDArray[np.bool_]:
    """Which rows of `vectors` have a row of `others` at a cosine of `threshold` or above.

    Args:
        vectors: shape (n, D), rows of length 1.
        others: shape (m, D), rows of length 1.

    Returns:
        Shape (n,).
    """
    import numpy as np

    found = np.zeros(len(vectors), dtype=np.bool_)
    for start in range(0, len(others), _ROWS_AT_ONCE):
        found |= (vectors @ others[start : start + _ROWS_AT_ONCE].T >= threshold).any(axis=1)
    return found


def read_all(paths: Sequence[Path]) -> list[str]:
    """The distinct prompts of several benchmarks."""
    return list(dict.fromkeys(prompt for path in paths for prompt in read_benchmark_prompts(path)))
