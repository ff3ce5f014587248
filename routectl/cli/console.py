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
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import click

from routectl.cli.progress import MinuteLines
from routectl.escaping import visible, visible_json
from routectl.records import RouterIdentity
from routectl.workflow.reporter import Advance

WIDTH = 100
"""Columns that a table takes at most, as far as its columns can be wrapped; fewer in a terminal
that is narrower."""
NARROWEST = 20
INDENT = 6
"""Of the details below an entry of a list."""


def width() -> int:
    """Columns that there are for a table: those of the terminal, or of COLUMNS, up to 100."""
    columns = os.environ.get("COLUMNS", "").lstrip("0")
    if columns.isascii() and columns.isdigit():
        # Python refuses to read a number of thousands of digits, and 9 of them are wide enough.
        there_are = int(columns[:9])
    elif sys.stdout.isatty():
        there_are = os.get_terminal_size(sys.stdout.fileno()).columns or WIDTH
    else:
        there_are = WIDTH
    return max(2 * NARROWEST, min(WIDTH, there_are))


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
        """A progress bar on stderr in a terminal, and else a line a minute."""
        if self.quiet:
            yield lambda _: None
            return
        if not sys.stderr.isatty():
            yield MinuteLines(label, total, lambda line: say("Progress:", line)).advance
            return
        hidden = total is None
        with click.progressbar(
            length=total or 0, label=visible(label), file=sys.stderr, hidden=hidden
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

    def table(
        self,
        rows: Sequence[Sequence[object]],
        headers: Sequence[str] = (),
        *,
        wrapped: Collection[int] = (-1,),
    ) -> None:
        """A table on stdout; without headers, a list of facts.

        Args:
            wrapped: the columns that hold words, which are wrapped where the table is too wide.
        """
        from tabulate import tabulate

        cells = [[visible(str(cell)) for cell in row] for row in rows]
        headers = [visible(header) for header in headers]
        columns = list(zip(*cells, strict=True))
        longest = [max(map(len, column), default=0) for column in columns]
        headers = self._titles(headers, longest)
        # tabulate pads a header by two.
        titles = [_longest_line(title) + 2 for title in headers] or [0] * len(columns)
        widths = [max(pair) for pair in zip(titles, longest, strict=True)]
        # Not by tabulate, which fails on a number with a comma in it.
        for column in sorted(range(len(columns))[index] for index in wrapped):
            others = sum(other + 2 for other in widths) - widths[column] - 2
            room = max(titles[column], NARROWEST // len(wrapped), width() - others)
            if widths[column] > room:
                widths[column] = room
                for row in cells:
                    # A line that begins in the first column could be one of ours.
                    row[column] = _wrapped(row[column], room, indent="" if column else "  ")
        table = tabulate(
            cells,
            headers=headers,
            tablefmt="simple" if headers else "plain",
            disable_numparse=True,
            colalign=[_alignment(column) if headers else "left" for column in columns],
        )
        _print(table)

    @staticmethod
    def _titles(headers: Sequence[str], longest: Sequence[int]) -> list[str]:
        """The headers; in several lines where the table would be too wide without."""
        wide = (max(len(h) + 2, cells) + 2 for h, cells in zip(headers, longest, strict=False))
        if sum(wide) - 2 <= width():
            return list(headers)
        return [
            "\n".join(textwrap.wrap(header, max(1, cells - 2), break_long_words=False))
            for header, cells in zip(headers, longest, strict=True)
        ]

    def entries(
        self, headers: Sequence[str], entries: Sequence[tuple[Sequence[str], str]], flexible: int
    ) -> None:
        """A list on stdout: of each entry a line of cells, and below it the details, wrapped.

        Args:
            flexible: the column that is cut short where a line would be too long.
        """
        widths = [
            max(len(title), *(len(cells[column]) for cells, _ in entries))
            for column, title in enumerate(headers)
        ]
        over = sum(widths) + 2 * len(widths) - 2 - width()
        if over > 0:
            widths[flexible] = max(len(headers[flexible]), 4, widths[flexible] - over)
        for cells in (headers, ["-" * columns for columns in widths]):
            self._cells(cells, widths)
        for cells, details in entries:
            self._cells(cells, widths)
            for line in textwrap.wrap(details, width() - INDENT):
                self.line(" " * INDENT + line)

    def _cells(self, cells: Sequence[str], widths: Sequence[int]) -> None:
        shown = (
            cell if len(cell) <= columns else f"{cell[: columns - 3]}..."
            for cell, columns in zip(cells, widths, strict=True)
        )
        padded = (cell.ljust(columns) for cell, columns in zip(shown, widths, strict=True))
        self.line("  ".join(padded).rstrip())


def _longest_line(text: str) -> int:
    return max(map(len, text.split("\n")))


def _wrapped(cell: str, room: int, indent: str) -> str:
    if len(cell) <= room:
        return cell
    return "\n".join(textwrap.wrap(cell, room, subsequent_indent=indent))


def _alignment(column: Sequence[str]) -> str:
    """Numbers to the right, so that their digits are below each other; words to the left."""
    return "right" if all(cell[:1].isdigit() or cell in ("", "-") for cell in column) else "left"


def pair_text(router: RouterIdentity) -> str | None:
    """The models between which a router decides; None for a baseline that knows none."""
    if router.model_pair is None:
        return None
    mapped = "".join(f", {model} scored as {other}" for model, other in router.scored_as.items())
    return f"{router.model_pair} (strong / weak){mapped}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as people read it; what is not known is a dash."""
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def percent_range(low: float, high: float, digits: int = 1) -> str:
    """Two shares as the ends of a range."""
    return f"{100 * low:.{digits}f} to {100 * high:.{digits}f} %"


def dollars(amounts: Sequence[float | None]) -> list[str]:
    """A column of US dollars, with as many decimals as its smallest amount takes, two to six."""
    nonzero = [abs(amount) for amount in amounts if amount]
    digits = min(6, max(2, 1 - math.floor(math.log10(min(nonzero))))) if nonzero else 2
    # An amount that rounds to 0 has no sign.
    return ["-" if amount is None else f"{amount:z,.{digits}f}" for amount in amounts]


def dollar_range(low: float, high: float) -> str:
    """Two amounts of US dollars as the ends of a range; what rounds to 0 has no sign."""
    return f"{low:z,.2f} to {high:z,.2f}"


def when(time: datetime | None) -> str:
    """A time with its zone."""
    return "-" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def minute(time: datetime) -> str:
    """A time of a list whose heading says that it is UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"


def plain(value: Mapping[str, object]) -> dict[str, Any]:
    """A result as plain JSON values, as `Console.json` prints them."""
    values: dict[str, Any] = json.loads(json.dumps(_plain(value)))
    return values


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
