"""What a reader of one format is made of, and how rows become values."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import orjson

from routectl.records import TrafficRequest
from routectl.traffic.source import KEPT_OF_LONG_LINE, MAX_LINE, Source


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a log, before its format has read it."""

    number: int
    """1-based line, or record where the format has no lines."""
    raw: bytes
    """As it stands in the log."""
    value: object = None
    fault: str | None = None
    """Why `value` could not be read."""
    source: str = ""
    """The identity of its source."""

    def content_id(self) -> str:
        """Return the id of a row whose log gives none: 32 hexadecimal digits.

        A digest of source, content and ordinal. The ordinal is the row's place in its log, so
        equal prompts stay two requests and a log that has only been appended to keeps the ids of
        its earlier rows.
        """
        place = f"{self.source}\0{self.number}\0"
        digest = hashlib.sha256(place.encode("utf-8", "surrogatepass"))
        digest.update(self.raw)
        return digest.hexdigest()[:32]


class RowError(Exception):
    """The row is not what its format says; the message is the reject's reason."""


@dataclass(frozen=True, slots=True)
class Skip:
    """The row is read and is no router traffic."""

    reason: str


@dataclass(frozen=True, slots=True)
class Format:
    """One log format. A new one is a module beside its siblings and a line in the registry."""

    name: str
    describe: str
    """What one row is, for messages."""
    recognises: Callable[[Sequence[bytes]], bool]
    """Whether a log that begins with these lines (none blank, at least one) is of this format."""
    rows: Callable[[Source], Iterator[Row]]
    request: Callable[[Row], TrafficRequest | Skip]
    """Reads one row; raises RowError."""


def json_rows(source: Source) -> Iterator[Row]:
    """Yield one row per JSON value, each on a line; blank lines are passed over.

    A log that begins as an array or as an object over several lines is read as the objects in
    it instead: those of the array, or one after another.
    """
    objects = _spans_lines(source.head())
    for row in _object_rows(source) if objects else line_rows(source):
        if row.fault is not None:
            yield row
            continue
        try:
            yield replace(row, value=parse_json(row.raw))
        except ValueError as error:
            yield replace(row, fault=f"not JSON: {error}")


def line_rows(source: Source) -> Iterator[Row]:
    """Yield one row per line, its value the raw line; blank lines are passed over."""
    for line in source.lines():
        if line.too_long:
            yield Row(line.number, line.raw, fault=f"longer than {MAX_LINE // 2**20} MiB")
        elif line.raw.strip():
            yield Row(line.number, line.raw, line.raw, source=source.identity)


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


def mostly(test: Callable[[object], bool], head: Sequence[bytes]) -> bool:
    """Tell whether most of the JSON objects in a head pass `test`, and any does."""
    passed = [test(value) for value in json_objects(head)]
    return any(passed) and 2 * sum(passed) >= len(passed)


def json_objects(head: Sequence[bytes]) -> list[object]:
    """Return the JSON objects among the first lines of a log, or that span them."""
    texts = (raw for _, raw in _objects(head)) if _spans_lines(head) else head
    found = []
    for raw in texts:
        with suppress(ValueError):
            found.append(parse_json(raw or b"null"))
    return [value for value in found if isinstance(value, Mapping)]


def _spans_lines(head: Sequence[bytes]) -> bool:
    first = head[0].strip()
    if first in (b"{", b"[", b"[{"):
        return True
    try:
        return first.startswith(b"[") and isinstance(parse_json(first), list)
    except ValueError:
        return False


def _object_rows(source: Source) -> Iterator[Row]:
    lines = (line.raw for line in source.lines())
    for ordinal, (whole, raw) in enumerate(_objects(lines), start=1):
        fault = None if whole else "an object that does not end, or is too long"
        yield Row(ordinal, raw, fault=fault, source=source.identity)


_STRING_OR_BRACE = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}]')


def _objects(lines: Iterable[bytes]) -> Iterator[tuple[bool, bytes]]:
    """Yield the outermost JSON objects of a text, and whether each is whole.

    Only braces outside strings count, and JSON has no line break inside a string, so that one
    line is looked at at a time.
    """
    held: list[bytes] = []
    size = depth = 0
    for line in lines:
        begin = 0
        for match in _STRING_OR_BRACE.finditer(line):
            if match[0] == b"{":
                begin = begin if depth else match.start()
                depth += 1
            elif match[0] == b"}" and depth:
                depth -= 1
                if not depth:
                    yield True, b"\n".join([*held, line[begin : match.end()]])
                    held, size = [], 0
                    begin = match.end()
        if depth:
            held.append(line[begin:])
            size += len(held[-1]) + 1
        if size > MAX_LINE:
            yield False, b"\n".join(held)[:KEPT_OF_LONG_LINE]
            held, size, depth = [], 0, 0
    if held:
        yield False, b"\n".join(held)[:KEPT_OF_LONG_LINE]
