"""Prompts of preference data that a benchmark also asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from routectl.errors import InputError
from routectl.extraction import extract
from routectl.tables import read_rows

SIMILAR = 0.95
"""Cosine from which a prompt counts as the same question (RouteLLM, section 5.1)."""


def read_benchmark(path: Path) -> Iterator[tuple[int, str]]:
    """The prompts of a benchmark's file with their lines: its column `prompt`, or the first of its
    `turns`.

    Raises:
        InputError: the file cannot be read or has neither column.
    """
    columns, rows = read_rows(path)
    column = next((name for name in ("prompt", "turns") if name in columns), None)
    if column is None:
        raise InputError(f"{path} holds no prompts: it has neither a column prompt nor turns.")
    for row in rows:
        value = row.values.get(column)
        prompt = extract(value[:1] if isinstance(value, list) else value)
        if prompt is None:
            raise row.error(f"column {column!r} must hold text and does not")
        yield row.line, prompt


def read_benchmark_prompts(path: Path) -> list[str]:
    """The prompts of a benchmark's file, as `read_benchmark` reads them."""
    return [prompt for _, prompt in read_benchmark(path)]


def read_all(paths: Sequence[Path]) -> list[str]:
    """The distinct prompts of several benchmarks."""
    return list(dict.fromkeys(prompt for path in paths for prompt in read_benchmark_prompts(path)))
