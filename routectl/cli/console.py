"""All that is printed: results on stdout, everything else on stderr.

Nothing else of the package prints. Text may come from a log, a checkpoint, a note or a file's name,
so all of it passes `escaping` on its way.
"""

from __future__ import annotations

import json
import math
import os
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

import click

from routectl.escaping import visible, visible_json
from routectl.records import Population, RouterIdentity
from routectl.workflow.reporter import Advance

WIDTH = 100
"""Columns that a table takes at most, as far as its last column can be wrapped."""
NARROWEST = 20


def say(label: str, text: str, colour: str | None = None) -> None:
    """A labelled line on stderr, in colour on a terminal unless NO_COLOR is set."""
    if colour is not None and sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        label = click.style(label, fg=colour)
    _print(f"{label} {visible(text)}", err=True)


def say_lines(lines: Iterable[str]) -> None:
    """Lines on stderr without a label."""
    for line in lines:
        _print(visible(line), err=True)


def _print(text: str, *, err: bool = False) -> None:
    # What a terminal's encoding has no character for is shown as its escape.
    encoding = getattr(sys.stderr if err else sys.stdout, "encoding", None) or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), err=err)


class Console:
    """Prints for one command; also what the workflow reports to."""

    def __init__(self, *, as_json: bool, quiet: bool = False, verbose: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.verbose = verbose

    def note(self, sentence: str) -> None:
        """A remark on stderr."""
        if not self.quiet:
            say("Note:", f"{sentence}.", colour="yellow")

    def warn(self, sentence: str) -> None:
        """A remark on stderr that --quiet does not hide, such as where prompts are sent."""
        say("Warning:", f"{sentence}.", colour="yellow")

    def detail(self, sentence: str) -> None:
        """A step on stderr, for whoever wants to see each."""
        if self.verbose:
            say("Detail:", f"{sentence}.", colour="cyan")

    def database(self, location: object) -> None:
        """Name the database on stderr."""
        if not self.quiet:
            say("Database:", str(location))

    @contextmanager
    def progress(self, label: str, total: int | None) -> Iterator[Advance]:
        """A progress bar on stderr, if a terminal is there to see it."""
        shown = sys.stderr.isatty() and total is not None and not self.quiet
        with click.progressbar(
            length=total or 0, label=visible(label), file=sys.stderr, hidden=not shown
        ) as bar:
            yield bar.update

    def line(self, text: str = "") -> None:
        """A line of the result on stdout."""
        _print(visible(text))

    def document(self, text: str) -> None:
        """A result of several lines on stdout, for programs."""
        for line in text.removesuffix("\n").split("\n"):
            self.line(line)

    def json(self, value: object) -> None:
        """A result as JSON on stdout."""
        _print(visible_json(json.dumps(_plain(value), indent=2, ensure_ascii=False)))

    def table(self, rows: Sequence[Sequence[object]], headers: Sequence[str] = ()) -> None:
        """A table on stdout; without headers, a list of facts."""
        from tabulate import tabulate

        cells = [[visible(str(cell)) for cell in row] for row in rows]
        headers = [visible(header) for header in headers]
        columns = list(zip(*cells, strict=True))
        # tabulate pads a header by two.
        titles = [len(title) + 2 for title in headers] or [0] * len(columns)
        widths = [
            max(title, *map(len, column)) for title, column in zip(titles, columns, strict=True)
        ]
        # The last column holds the words: it is the one that can be wrapped. Not by tabulate, which
        # fails on a number with a comma in it.
        room = max(NARROWEST, WIDTH - sum(width + 2 for width in widths[:-1]))
        cells = [[*row[:-1], _wrapped(row[-1], room)] for row in cells]
        table = tabulate(
            cells,
            headers=headers,
            tablefmt="simple" if headers else "plain",
            disable_numparse=True,
            colalign=[_alignment(column) if headers else "left" for column in columns],
        )
        _print(table)


def _wrapped(cell: str, room: int) -> str:
    return cell if len(cell) <= room else "\n".join(textwrap.wrap(cell, room))


def _alignment(column: Sequence[str]) -> str:
    """Numbers to the right, so that their digits stand below each other; words to the left."""
    return "right" if all(cell[:1].isdigit() or cell in ("", "-") for cell in column) else "left"


def pair_text(router: RouterIdentity) -> str | None:
    """The models between which a router decides; None for a baseline that knows none."""
    if router.model_pair is None:
        return None
    mapped = "".join(f", {model} scored as {other}" for model, other in router.scored_as.items())
    return f"{router.model_pair} (strong / weak){mapped}"


def population_text(population: Population) -> str:
    """The filters of a population, and since when a log tells which requests are the route's."""
    parts = [str(condition) for condition in population.where]
    if population.since is not None:
        parts.append(f"since {when(population.since)}")
    if population.until is not None:
        parts.append(f"until {when(population.until)}")
    text = ", ".join(parts) or "all requests"
    if population.routed is not None:
        name, since = population.routed.names[0], when(population.routed.since)
        text += f"; from {since} on, as the log says, those of route {name} alone"
    return text


def percent(share: float | None, digits: int = 1) -> str:
    """A share as people read it; what is not known is a dash."""
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def dollars(amounts: Sequence[float | None]) -> list[str]:
    """A column of US dollars, with as many decimals as its smallest amount takes, two to six."""
    nonzero = [amount for amount in amounts if amount]
    digits = min(6, max(2, 1 - math.floor(math.log10(min(nonzero))))) if nonzero else 2
    return ["-" if amount is None else f"{amount:,.{digits}f}" for amount in amounts]


def when(time: datetime | None) -> str:
    """A time with its zone."""
    return "-" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    return value
