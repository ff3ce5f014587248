"""Rows of a table file: CSV, JSON Lines or one JSON list, each plain or gzipped."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from routectl.errors import InputError
from routectl.records import Condition

# Answers of a model can be long; the csv module's own limit is 131,072 characters.
_LONGEST_FIELD = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its values by column, and where it stands."""

    path: Path
    line: int
    """1-based line number; in a JSON list, the number of the element."""
    values: Mapping[str, Any]

    def text(self, column: str) -> str:
        """The value of a column that must hold text.

        Raises:
            InputError: it holds none.
        """
        value = self.values.get(column)
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"column {column!r} must hold text and does not")
        return value

    def number(self, column: str) -> float:
        """The value of a column that must hold a number.

        Raises:
            InputError: it holds none.
        """
        value = self.values.get(column)
        try:
            return float(value)  # type: ignore[arg-type]  # a TypeError is caught
        except (TypeError, ValueError):
            raise self.error(f"column {column!r} must hold a number and does not") from None

    def error(self, what: str) -> InputError:
        """The error for something in this row that cannot be read."""
        return InputError(f"{self.path}, line {self.line}: {what}.")


def read_rows(path: Path) -> tuple[tuple[str, ...], Iterator[Row]]:
    """The columns of a table file (of its first row), and its rows.

    Raises:
        InputError: the file cannot be read, holds no rows, or is neither CSV nor JSON. The
            iterator raises it for a row that cannot be read.
    """
    text = _read_text(path)
    start = text.lstrip("\ufeff \t\r\n")
    if not start:
        raise InputError(f"{path} is empty; give a file of battles or of gold labels.")
    if start[0] == "{":
        rows = _json_lines(path, text)
    elif start[0] == "[":
        rows = _json_list(path, text)
    else:
        rows = _csv(path, text)
    first = next(rows, None)
    if first is None:
        raise InputError(f"{path} has a header and no rows.")

    def all_rows() -> Iterator[Row]:
        yield first
        yield from rows

    return tuple(first.values), all_rows()


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"There is no file {path}; check the path.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            raise InputError(f"{path} is a damaged or truncated gzip file.") from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; give CSV, JSON Lines or JSON.") from None
    if "\0" in text[:1024]:
        raise InputError(f"{path} is a binary file; give CSV, JSON Lines or JSON.")
    return text


def _csv(path: Path, text: str) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    while True:
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{path}, line {reader.line_num}: not CSV ({error}).") from None
        row = Row(path, reader.line_num, values)
        if None in values or None in values.values():
            raise row.error("has another number of columns than the header")
        yield row


def _json_lines(path: Path, text: str) -> Iterator[Row]:
    # Not splitlines: JSON strings may hold other line separators of Unicode as they are.
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError:
            raise InputError(f"{path}, line {number}: not valid JSON.") from None
        yield _json_row(path, number, values)


def _json_list(path: Path, text: str) -> Iterator[Row]:
    try:
        elements = json.loads(text.removeprefix("\ufeff"))
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON ({error}).") from None
    for number, values in enumerate(elements, start=1):
        yield _json_row(path, number, values)


def _json_row(path: Path, number: int, values: object) -> Row:
    if not isinstance(values, dict):
        raise InputError(f"{path}, line {number}: a row must be a JSON object.")
    return Row(path, number, values)


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
