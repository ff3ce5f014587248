"""Progress where no terminal shows a bar, as in cron and CI: a line a minute."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY_SECONDS = 60.0


class MinuteLines:
    """Says how far a piece of work is, once a minute, and how long it will take."""

    def __init__(
        self,
        label: str,
        total: int | None,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin now.

        Args:
            total: the steps of the work; None where they are unknown.
            clock: seconds from any time on.
        """
        self._label = label
        self._total = total
        self._say = say
        self._clock = clock
        self._began = self._said = clock()
        self._done = 0

    def advance(self, steps: int) -> None:
        """Count steps; says a line when the last one was said a minute ago."""
        self._done += steps
        now = self._clock()
        if now - self._said >= EVERY_SECONDS:
            self._said = now
            self._say(f"{self._label}, {self._how_far(now - self._began)}.")

    def _how_far(self, seconds: float) -> str:
        if not self._total:
            return f"{span(seconds)} so far"
        left = time_left(seconds, self._done, self._total)
        if left is None:
            return f"begun {span(seconds)} ago"
        return f"{100 * min(1.0, self._done / self._total):.0f} % done, about {span(left)} left"


def time_left(seconds: float, done: int, total: int) -> float | None:
    """Seconds that the rest takes at the pace so far; None where nothing is done yet."""
    return seconds * (total - done) / done if done > 0 else None


def span(seconds: float) -> str:
    """A time of some length, in the unit that people use for it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
