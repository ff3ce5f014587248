"""The parts of a reader of one format, and how rows become values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import msgspec
import orjson

from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic import splitting
from routectl.traffic.drivers import undriven
from routectl.traffic.source import Source
from routectl.traffic.splitting import MAX_ROW, Cut

NOTHING: Mapping[str, object] = MappingProxyType({})

TOO_LONG = f"longer than {MAX_ROW // 2**20} MiB"


class Row(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One row of a log, before its format has read it."""

    number: int
    """1-based line (the first one, where a row has several), or object where `spans_lines`."""
    raw: bytes
    """As it is in the log."""
    value: object
    source: Source
    fault: str | None = None
    """Why `value` could not be read."""
    part: int = 0
    """0-based, among the rows that are on one line or in one envelope."""
    around: Mapping[str, object] = NOTHING
    """The envelope that the value was taken out of."""

    def content_id(self, place: str | None = None) -> str:
        """Return the id of a row whose log gives none: 32 hexadecimal digits.

        A digest of source, place and content. The place is the row's number, so that equal
        prompts stay two requests and a log that has only been appended to keeps the ids of its
        earlier rows; or a name that the log gives the row and that only this log keeps apart.
        """
        if place is None:
            place = f"{self.number}.{self.part}" if self.part else str(self.number)
        named = f"{self.source.identity}\0{place}\0"
        digest = hashlib.sha256(named.encode("utf-8", "surrogatepass"))
        digest.update(self.raw.removesuffix(b"\r"))
        return digest.hexdigest()[:32]


class RowError(Exception):
    """The row is not what its format says; the message is the reject's reason."""


@dataclass(frozen=True, slots=True)
class Skip:
    """The row is read and is no router traffic."""

    reason: str


class Head:
    """The first rows of a log that are not blank; at least one."""

    def __init__(self, rows: Sequence[bytes]) -> None:
        self.rows = rows

    @cached_property
    def objects(self) -> list[dict[str, object]]:
        """The JSON objects among the rows."""
        values = (value for _, raw, _ in undriven(self.rows) for _, value, _ in values_on(raw))
        return [value for value in values if isinstance(value, dict)]

    def mostly(self, test: Callable[[dict[str, object]], bool]) -> bool:
        """Tell whether most of the objects pass `test`, and any does."""
        passed = [test(value) for value in self.objects]
        return any(passed) and 2 * sum(passed) >= len(passed)


@dataclass(frozen=True, slots=True)
class Format:
    """One log format. A new one is a module of this package and a line in the registry."""

    name: str
    describe: str
    """What one row is, for messages."""
    recognises: Callable[[Head], bool]
    """Whether a log that begins so is of this format."""
    rows: Callable[[Source], Iterator[Row]]
    request: Callable[[Row], TrafficRequest | Skip]
    """Reads one row without a fault; raises RowError."""
    holds: Callable[[dict[str, object]], bool] | None = None
    """Whether a JSON object is a row, which may then lie in an envelope; None: rows are no
    objects."""
    advice: Mapping[Exclusion, str] = field(default_factory=dict)
    """What to set in the product that wrote the log, so that prompts are there."""
    refusal: str | None = None
    """Why no log of this format can be read, and what to give instead."""


def json_rows(source: Source) -> Iterator[Row]:
    """Yield one row per JSON value, each on a line; blank lines are passed over.

    Where the log is JSON that does not keep to lines, the values are the objects in it.
    """
    for number, raw in enumerate(source.rows(), start=1):
        if isinstance(raw, Cut):
            yield _cut_row(number, raw, source)
        elif raw.strip():
            try:
                yield Row(number, raw, parse_json(raw), source)
            except ValueError as error:
                yield Row(number, raw, None, source, f"not JSON: {error}")


def line_rows(source: Source) -> Iterator[Row]:
    """Yield one row per line, without a value; blank lines are passed over."""
    for number, raw in enumerate(source.lines(), start=1):
        if raw.strip():
            fault = TOO_LONG if isinstance(raw, Cut) else None
            yield Row(number, raw, None, source, fault)


def parsed_rows(number: int, raw: bytes, source: Source) -> Iterator[Row]:
    """Yield the rows on a line, leniently: see `values_on`."""
    if isinstance(raw, Cut):
        yield _cut_row(number, raw, source)
        return
    for part, (piece, value, reason) in enumerate(values_on(raw)):
        yield Row(number, piece, value, source, reason, part)


def _cut_row(number: int, raw: bytes, source: Source) -> Row:
    fault = f"an object that does not end, or is {TOO_LONG}" if source.spans_lines else TOO_LONG
    return Row(number, raw, None, source, fault)


_MOST_BEFORE = 400
_AROUND_JSON = b"\xef\xbb\xbf\x1e \t\r\n"
"""A byte-order mark, which is in the middle where files were joined, and the separator of
JSON text sequences (RFC 7464)."""


def values_on(raw: bytes) -> list[tuple[bytes, object, str | None]]:
    """Return the JSON values on a line: as they are there, parsed, and why they cannot be read.

    One, unless the line is no JSON as a whole and holds objects one behind the other; these may
    follow some other text, such as the prefix of a log.
    """
    try:
        return [(raw, parse_json(raw), None)]
    except ValueError as error:
        fault = f"not JSON: {error}"
    stripped = raw.strip(_AROUND_JSON)
    begin = stripped.find(b"{")
    # A quote before the first brace: a fragment of an object, and not another text.
    if 0 <= begin <= _MOST_BEFORE and b'"' not in stripped[:begin]:
        pieces = list(splitting.objects([stripped[begin:]]))
        values = [_value_of(piece) for piece in pieces]
        # Of the last object the end may be missing, where it was still being written.
        whole = [isinstance(value, dict) for _, value, _ in values]
        if all(whole[:-1] or whole) and pieces[-1].startswith(b"{"):
            return values
    return [(raw, None, fault)]


def _value_of(piece: bytes) -> tuple[bytes, object, str | None]:
    try:
        return piece, parse_json(piece), None
    except ValueError as error:
        return piece, None, f"not JSON: {error}"


def parse_json(raw: bytes) -> object:
    """Return the JSON value of `raw`.

    orjson refuses lone surrogates and nesting beyond its limit, and makes floats of integers
    beyond 64 bits; the standard library takes the first, and a log may well hold it.

    Raises:
        ValueError: It is no JSON, not UTF-8, or nested too deeply. The message holds no content.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(raw.decode())
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at column {error.colno}") from None
    except ValueError:  # an integer of more digits than Python reads
        raise ValueError("it holds a number with too many digits") from None
