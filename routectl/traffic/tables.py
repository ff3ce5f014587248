"""Tables as text -> rows: CSV, and its relatives with semicolons, tabs or bars."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence

from routectl.traffic.fields import plain_name
from routectl.traffic.rows import TOO_LONG, Head, Row
from routectl.traffic.source import Source
from routectl.traffic.splitting import MAX_ROW, Cut

_DELIMITERS = (",", ";", "\t", "|")


def header(first: bytes) -> list[str]:
    """Return the names of the columns, if a line is the header of a table, in lower case.

    The delimiter is the one that makes the most columns; the header has no line breaks. What is
    no header comes out as columns that no format knows.
    """
    return _split_header(first)[1]


_SEPARATOR = re.compile(rb"\s*\"?sep=(.)\"?\s*")
"""Excel's line before the header, which names the delimiter."""


def headline(rows: Sequence[bytes]) -> bytes:
    """Return the first line that may be a header: not Excel's `sep=;`."""
    return rows[1] if len(rows) > 1 and _SEPARATOR.fullmatch(rows[0]) else rows[0]


def _split_header(first: bytes) -> tuple[str, list[str]]:
    delimiter, cells = _cells_of_header(first)
    return delimiter, [cell.strip().lower() for cell in cells]


def _cells_of_header(first: bytes) -> tuple[str, list[str]]:
    line = first.decode("utf-8-sig", "replace")
    splits = []
    for delimiter in _DELIMITERS:
        try:
            cells = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error:
            cells = []
        splits.append((delimiter, cells))
    return max(splits, key=lambda split: len(split[1]))


_RULE = re.compile(rb"\s*\|?(?:\s*:?-{2,}:?\s*\|)+(?:\s*:?-{2,}:?\s*)?")
"""The line between the header and the rows of a Markdown table."""


def is_markdown(head: Head) -> bool:
    """Tell a table that is written in Markdown: its cells are padded and its texts escaped."""
    return len(head.rows) > 1 and _RULE.fullmatch(head.rows[1].rstrip(b"\r")) is not None


def is_table(head: Head, *columns: str) -> bool:
    """Tell whether a log begins with a header that has all these columns, in plain spelling."""
    return set(columns) <= set(map(plain_name, cells_of_header(head.rows)))


def cells_of_header(rows: Sequence[bytes]) -> list[str]:
    """Return the names of the columns as they are, if a log begins with a table's header."""
    return [cell.strip() for cell in _cells_of_header(headline(rows))[1]]


def table_rows(source: Source, *, as_written: bool = False) -> Iterator[Row]:
    """Yield one row per record of a table, its value a mapping from column to text.

    A record with line breaks in quotes is one row, numbered by its first line. Where quotes are
    not right, the record's first line alone is at fault, and reading goes on behind it. Blank
    lines are passed over.

    Args:
        as_written: Keep column names as they are and empty cells; else names are in lower case
            and empty cells are left out.
    """
    csv.field_size_limit(MAX_ROW)  # for the whole process: the module knows no other way
    lines = _Lines(source)
    columns: list[str] = []
    for number, first in iter(lines.begin, None):
        if not columns and number <= 1 and _SEPARATOR.fullmatch(first):
            lines.skip()
        elif isinstance(first, Cut):
            lines.skip()
            yield Row(number, first, None, source, TOO_LONG)
        elif not columns:
            lines.skip()
            delimiter, columns = (_cells_of_header if as_written else _split_header)(first)
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
        else:
            try:
                cells = next(reader)
            except (csv.Error, _TooLongError) as error:
                lines.give_back()
                yield Row(number, first, None, source, f"not a record of a table: {error}")
                continue
            fault = None if lines.are_utf8 else "not UTF-8"
            if len(cells) != len(columns):
                fault = f"a record of {len(cells)} cells, and the header has {len(columns)}"
            value = {
                name: cell for name, cell in zip(columns, cells, strict=False) if cell or as_written
            }
            yield Row(number, lines.raw(), value, source, fault)


class _TooLongError(Exception):
    """A record passed `MAX_ROW`."""


class _Lines:
    """The lines of a source for a csv.reader, which can be given back."""

    def __init__(self, source: Source) -> None:
        self._numbered = enumerate(source.lines(), start=1)
        self._ahead: deque[tuple[int, bytes]] = deque()
        self._taken: list[tuple[int, bytes]] = []
        self._size = 0
        self.are_utf8 = True
        """Whether the lines since `begin` are."""

    def begin(self) -> tuple[int, bytes] | None:
        """Return the next line that is not blank and its number, without taking it."""
        self._taken, self._size, self.are_utf8 = [], 0, True
        while (line := self._next()) is not None:
            if line[1].strip(b" \r"):
                self._ahead.appendleft(line)
                return line
        return None

    def skip(self) -> None:
        """Take one line."""
        self._next()

    def give_back(self) -> None:
        """Give back what was taken since `begin`, but for its first line."""
        self._ahead.extendleft(reversed(self._taken[1:]))

    def raw(self) -> bytes:
        """Return what was taken since `begin`."""
        return b"\n".join(raw for _, raw in self._taken)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._next()
        if line is None:
            raise StopIteration
        self._taken.append(line)
        self._size += len(line[1])
        if self._size > MAX_ROW or isinstance(line[1], Cut):
            raise _TooLongError(TOO_LONG)
        try:
            return line[1].decode() + "\n"
        except UnicodeDecodeError:
            self.are_utf8 = False
            return line[1].decode("utf-8", "replace") + "\n"

    def _next(self) -> tuple[int, bytes] | None:
        return self._ahead.popleft() if self._ahead else next(self._numbered, None)
