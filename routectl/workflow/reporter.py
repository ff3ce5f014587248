"""The interface through which the workflow reports notes and progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

Advance = Callable[[int], None]
"""Called with the number of steps done since the last call."""


class Reporter(Protocol):
    """Receives notes and progress of a running command."""

    def note(self, sentence: str) -> None:
        """A remark or a warning: one sentence."""

    def warn(self, sentence: str) -> None:
        """A remark that nobody may overlook, such as where prompts are sent: one sentence."""

    def detail(self, sentence: str) -> None:
        """A step, for whoever wants to see each: one sentence."""

    def progress(self, label: str, total: int | None) -> AbstractContextManager[Advance]:
        """Draw progress towards `total` steps (None where unknown) while the context lasts."""


class Remembering:
    """Passes on what it is told, and remembers the notes."""

    def __init__(self, reporter: Reporter, notes: Sequence[str] = ()) -> None:
        """Begin with the notes that were passed on before."""
        self.notes = list(notes)
        self._reporter = reporter

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)
        self._reporter.note(sentence)

    def warn(self, sentence: str) -> None:
        self.notes.append(sentence)
        self._reporter.warn(sentence)

    def detail(self, sentence: str) -> None:
        self._reporter.detail(sentence)

    def progress(self, label: str, total: int | None) -> AbstractContextManager[Advance]:
        return self._reporter.progress(label, total)
