"""How a training says how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the phase ("read", "embed", "encode", "train"), how much is done, and how much at
most."""


def no_progress(phase: str, done: int, total: int) -> None:
    """The `Progress` of a caller who does not look."""
