"""Progress in cron and CI is a line a minute, and the time left is right within a factor of two."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from routectl.cli.progress import MinuteLines
from routectl.records import Population, RouterIdentity
from routectl.routers import OpenRouter
from routectl.routers.protocol import RouterDescription
from routectl.store.engine import Location
from routectl.workflow.scoring import score
from tests.conftest import Routectl, Silence, payload, write_log


class Clock:
    """A clock that goes on only as work is done."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Reader:
    """A router that takes 10 ms a token of what it reads, and 20 ms a prompt besides."""

    def __init__(self, clock: Clock, limit: int, characters_per_token: float) -> None:
        self.identity = RouterIdentity("reader", "f" * 64, None, 0.0, {"max_tokens": limit})
        self._clock = clock
        self._limit = limit
        self._characters = characters_per_token

    def _tokens(self, prompts: Sequence[str]) -> NDArray[np.float64]:
        return np.array([len(prompt) / self._characters for prompt in prompts])

    def strong_win_rates(self, prompts: Sequence[str]) -> NDArray[np.float64]:
        read = np.minimum(self._tokens(prompts), self._limit)
        self._clock.seconds += float(0.01 * read.sum() + 0.02 * len(prompts))
        return np.full(len(prompts), 0.5)

    def longer_than_read(self, prompts: Sequence[str]) -> NDArray[np.bool_]:
        return self._tokens(prompts) > self._limit


class Watching(Silence):
    """Keeps each line, with the time at which it was said, and every step of progress."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.lines: list[tuple[float, str]] = []

    @contextmanager
    def progress(self, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
        def say(line: str) -> None:
            self.lines.append((self.clock(), line))

        yield MinuteLines(label, total, say, self.clock).advance


@pytest.mark.parametrize("characters_per_token", [4.0, 1.5])
def test_the_time_left_is_right_within_a_factor_of_two_from_a_tenth_on(
    routectl: Routectl, tmp_path: Path, database: Path, characters_per_token: float
) -> None:
    lengths = np.random.default_rng(0).lognormal(5.5, 1.3, 3000).astype(int) + 10
    records = [payload(n, f"{n} " + "x" * length) for n, length in enumerate(lengths)]
    assert routectl("import", write_log(tmp_path / "log", records)).code == 0
    clock = Clock()
    reader = Reader(clock, 256, characters_per_token)
    description = RouterDescription(
        "reader", "reader", "", None, (), None, None, "all", None, None, slow=False
    )
    opened = OpenRouter(reader.identity, description, lambda: reader)
    watching = Watching(clock)
    score(Location.parse(str(database)), [opened], Population(), watching)
    whole = clock.seconds
    assert len(watching.lines) >= 3
    judged = 0
    units = {"s": 1, "min": 60, "h": 3600}
    for said, line in watching.lines:
        left = re.search(r"about (\S+) (s|min|h) left", line)
        if said < 0.1 * whole or whole - said < 30 or left is None:
            continue
        judged += 1
        stated = float(left[1]) * units[left[2]]
        assert 0.5 <= stated / (whole - said) <= 2.0, (said, whole, line)
    assert judged >= 2


def test_a_line_is_said_once_a_minute_and_not_more_often() -> None:
    clock, lines = Clock(), []
    progress = MinuteLines("scoring with mf", 1000, lines.append, clock)
    for _ in range(100):
        clock.seconds += 2.0
        progress.advance(5)
    assert lines == [
        "scoring with mf, 15 % done, about 6 min left.",
        "scoring with mf, 30 % done, about 5 min left.",
        "scoring with mf, 45 % done, about 4 min left.",
    ]


def test_work_of_unknown_size_says_how_long_it_has_run() -> None:
    clock, lines = Clock(), []
    progress = MinuteLines("reading", None, lines.append, clock)
    clock.seconds = 61.0
    progress.advance(1)
    assert lines == ["reading, 61 s so far."]


def test_a_short_command_says_no_progress(routectl: Routectl, log: Path) -> None:
    routectl("import", log)
    assert "Progress:" not in routectl("score", "-r", "length").err
