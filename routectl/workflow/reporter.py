"""How the workflow speaks to whoever runs it, without knowing who that is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

Advance = Callable[[int], None]
"""Says that so many more are done."""


class Reporter(Protocol):
    """Takes what a person would want to know while a command runs."""

    def note(self, sentence: str) -> None:
        """A remark or a warning: one sentence."""

    def detail(self, sentence: str) -> None:
        """A step, for whoever wants to see each: one sentence."""

    def progress(self, label: str, total: int | None) -> AbstractContextManager[Advance]:
        """Draw progress towards `total` steps (None where unknown) while the context lasts."""
