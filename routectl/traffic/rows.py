"""What a reader of one format is made of, and how rows become values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import msgspec
import orjson

from routectl.request import TrafficRequest
from routectl.traffic.source import Source
from routectl.traffic.splitting import MAX_ROW, Cut

TOO_LONG = f"longer than {MAX_ROW // 2**20} MiB"


class Row(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One row of a log, before its format has read it."""

    number: int
    """1-based line (the first one, where a row has several), or object where `spans_lines`."""
    raw: bytes
    """As it stands in the log."""
    value: object
    source: Source
    fault: str | None = None
    """Why `value` could not be read."""

    def content_id(self, place: str | None = None) -> str:
        """Return the id of a row whose log gives none: 32 hexadecimal digits.

        A digest of source, place and content. The place is the row's number, so that equal
        prompts stay two requests and a log that has only been appended to keeps the ids of its
        earlier rows; or a name that the log gives the row and that only this log keeps apart.
        """
        named = f"{self.source.identity}\0{self.number if place is None else place}\0"
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
        found = []
        for raw in self.rows:
            with suppress(ValueError):
                found.append(parse_json(raw))
        return [value for value in found if isinstance(value, dict)]

    def mostly(self, test: Callable[[dict[str, object]], bool]) -> bool:
        """Tell whether most of the objects pass `test`, and any does."""
        passed = [test(value) for value in self.objects]
        return any(passed) and 2 * sum(passed) >= len(passed)


@dataclass(frozen=True, slots=True)
class Format:
    """One log format. A new one is a module beside its siblings and a line in the registry."""

    name: str
    describe: str
    """What one row is, for messages."""
    recognises: Callable[[Head], bool]
    """Whether a log that begins so is of this format."""
    rows: Callable[[Source], Iterator[Row]]
    request: Callable[[Row], TrafficRequest | Skip]
    """Reads one row without a fault; raises RowError."""


def json_rows(
    source: Source, *, quickly: Callable[[bytes], object] = orjson.loads
) -> Iterator[Row]:
    """Yield one row per JSON value, each on a line; blank lines are passed over.

    Where the log is JSON that does not keep to lines, the values are the objects in it.

    Args:
        quickly: Parses a row, or raises ValueError where it leaves that to `parse_json`.
    """
    for number, raw in enumerate(source.rows(), start=1):
        try:
            yield Row(number, raw, quickly(raw), source)
        except ValueError:
            if raw.strip():
                yield _slowly_parsed(number, raw, source)


def line_rows(source: Source) -> Iterator[Row]:
    """Yield one row per line, without a value; blank lines are passed over."""
    for number, raw in enumerate(source.lines(), start=1):
        if raw.strip():
            fault = TOO_LONG if isinstance(raw, Cut) else None
            yield Row(number, raw, None, source, fault)


def _slowly_parsed(number: int, raw: bytes, source: Source) -> Row:
    if isinstance(raw, Cut):
        fault = f"an object that does not end, or is {TOO_LONG}" if source.spans_lines else TOO_LONG
        return Row(number, raw, None, source, fault)
    try:
        return Row(number, raw, parse_json(raw), source)
    except ValueError as error:
        return Row(number, raw, None, source, f"not JSON: {error}")


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
