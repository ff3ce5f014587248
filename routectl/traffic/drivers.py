"""Lines that a container's log driver wrapped -> the lines that the program wrote.

Docker's `json-file` driver writes each line as `{"log": "...\\n", "stream": ..., "time": ...}`;
Kubernetes' container runtimes (CRI) write `TIME stdout F LINE`. Both cut a line of more than 16 KiB
into several: Docker's pieces but the last end without a line feed, CRI's have `P` in place of `F`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import orjson

_CRI = re.compile(
    rb"(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) (?:stdout|stderr) ([FP])(?::\S+)? "
)
_DOCKER = re.compile(rb'\{"log":\s*"')


class _Piece(NamedTuple):
    """A piece of a line."""

    text: bytes
    ends: bool
    """The line ends with it."""
    time: str


Line = tuple[int, bytes, str | None]
"""Number from 1, text, and when the driver says that it was written."""


def undriven(rows: Iterable[bytes]) -> Iterator[Line]:
    """Return the rows of a log without what a log driver put around them.

    The first row that is not blank says which driver it was, if any. A line in pieces has the
    number and the time of its first.
    """
    numbered = enumerate(rows, start=1)
    first: list[Line] = []
    for number, raw in numbered:
        piece_of = _driver(raw)
        if piece_of is not None:
            return chain(first, _joined(number, raw, numbered, piece_of))
        first.append((number, raw, None))
        if raw.strip():
            break
    return chain(first, ((number, raw, None) for number, raw in numbered))


def _driver(raw: bytes) -> Callable[[bytes], _Piece | None] | None:
    if _CRI.match(raw):
        return _cri
    return _docker if _DOCKER.match(raw) and _docker(raw) is not None else None


def _joined(
    number: int,
    raw: bytes,
    rest: Iterator[tuple[int, bytes]],
    piece_of: Callable[[bytes], _Piece | None],
) -> Iterator[Line]:
    held, begin, time = b"", number, ""
    while True:
        piece = piece_of(raw)
        if piece is None:
            yield number, raw, None
        else:
            if not held:
                begin, time = number, piece.time
            held += piece.text
            if piece.ends:
                yield begin, held, time
                held = b""
        following = next(rest, None)
        if following is None:
            break
        number, raw = following
    if held:
        yield begin, held, time


def _cri(raw: bytes) -> _Piece | None:
    prefix = _CRI.match(raw)
    if prefix is None:
        return None
    return _Piece(raw[prefix.end() :].rstrip(b"\r"), prefix[2] == b"F", prefix[1].decode())


def _docker(raw: bytes) -> _Piece | None:
    try:
        entry = orjson.loads(raw)
    except ValueError:
        return None
    line = entry.get("log") if isinstance(entry, dict) and "stream" in entry else None
    if not isinstance(line, str):
        return None
    text = line.rstrip("\r\n").encode("utf-8", "replace")
    return _Piece(text, line.endswith("\n"), str(entry.get("time") or ""))
