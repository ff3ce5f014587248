"""Rows of a table file: CSV, JSON Lines or one JSON list, each plain or gzipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from routectl.errors import InputError
from routectl.records import Condition, Reject
from routectl.traffic.rows import json_rows
from routectl.traffic.source import Source, open_source
from routectl.traffic.tables import table_rows

OnReject = Callable[[Reject], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its values by column, and where it is."""

    path: Path
    line: int
    """1-based line number; in a JSON list, the number of the element."""
    values: Mapping[str, Any]
    raw: bytes = field(repr=False)
    """As it is in the file, without the end of its last line."""

    def text(self, column: str) -> str:
        """The value of a column that must hold text.

        Raises:
            RowError: it holds none.
        """
        value = self.values.get(column)
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"column {column!r} must hold text and does not")
        return value

    def number(self, column: str) -> float:
        """The value of a column that must hold a number.

        Raises:
            RowError: it holds none.
        """
        value = self.values.get(column)
        try:
            return float(value)  # type: ignore[arg-type]  # a TypeError is caught
        except (TypeError, ValueError, OverflowError):
            raise self.error(f"column {column!r} must hold a number and does not") from None

    def error(self, what: str) -> RowError:
        """The error for something in this row that cannot be read."""
        return RowError(Reject(str(self.path), self.line, what, self.raw))


class RowError(InputError):
    """A row that cannot be read as what it should be."""

    def __init__(self, reject: Reject) -> None:
        super().__init__(f"{reject.source}, line {reject.line}: {reject.reason}.")
        self.reject = reject


@dataclass(frozen=True, slots=True)
class Table:
    """A table file that is being read."""

    path: Path
    kind: Literal["csv", "json_lines", "json_list"]
    """A list is what does not keep to lines."""
    header: bytes
    """The first line of a CSV, as it is in the file; empty for JSON."""
    columns: tuple[str, ...]
    """Of its first row."""
    rows: Iterator[Row]
    """Once only; raises InputError where the file is damaged, after all rows before that."""
    source: Source


def open_table(path: Path, on_reject: OnReject | None = None) -> Table:
    """Begin to read a table file; its rows are read as they are asked for.

    Args:
        on_reject: told of each row that is not whole, which is then passed over; without it such
            a row is an error.

    Raises:
        InputError: the file cannot be read, holds no rows, or is neither CSV nor JSON. The
            iterator raises it, too, for a row that cannot be read.
    """
    source = open_source(str(path))
    try:
        header = source.head()[0]
        rows = _rows(path, source, header, on_reject or _refuse)
        # From here on the file is closed by the iterator, even if nobody reads on.
        first = next(rows, None)
    except BaseException:
        source.close()
        raise
    if first is None:
        raise InputError(f"{path} has a header and no rows that can be read.")
    is_csv = not _is_json(header)
    return Table(
        path,
        "csv" if is_csv else "json_list" if source.spans_lines else "json_lines",
        header if is_csv else b"",
        tuple(first.values),
        chain([first], rows),
        source,
    )


def read_rows(
    path: Path, on_reject: OnReject | None = None
) -> tuple[tuple[str, ...], Iterator[Row]]:
    """The columns of a table file (of its first row), and its rows; as `open_table`."""
    table = open_table(path, on_reject)
    return table.columns, table.rows


def _rows(path: Path, source: Source, header: bytes, on_reject: OnReject) -> Iterator[Row]:
    with source:
        is_json = _is_json(header)
        for row in json_rows(source) if is_json else table_rows(source, as_written=True):
            fault = row.fault
            if fault is None and not isinstance(row.value, dict):
                fault = "a row must be a JSON object"
            if fault is not None:
                on_reject(Reject(str(path), row.number, fault, row.raw))
            elif isinstance(row.value, dict):
                yield Row(path, row.number, row.value, row.raw)


def _is_json(header: bytes) -> bool:
    return header.lstrip()[:1] in (b"{", b"[")


def _refuse(reject: Reject) -> None:
    raise RowError(reject)


def keep(row: Row, conditions: Sequence[Condition]) -> bool:
    """Whether a row meets the conditions.

    Conditions on one column with `=` are alternatives, all else must hold together. A column that
    the row does not have equals nothing: it fails every `=` and passes every `!=`.
    """
    wanted: dict[str, set[str]] = {}
    for condition in conditions:
        if condition.operator == "=":
            wanted.setdefault(condition.field, set()).add(condition.value)
        elif condition.field in row.values and str(row.values[condition.field]) == condition.value:
            return False
    return all(
        column in row.values and str(row.values[column]) in values
        for column, values in wanted.items()
    )
