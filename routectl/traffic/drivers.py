"""Lines that a container's log driver wrapped -> the lines that the program wrote.

Docker's `json-file` driver writes each line as `{"log": "...\\n", "stream": ..., "time": ...}`;
Kubernetes' container runtimes (CRI) write `TIME stdout F LINE`. Both cut a line of more than 16 KiB
into several: Docker's pieces but the last end without a line feed, CRI's have `P` in place of `F`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import orjson

_CRI = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) (?:stdout|stderr) ([FP])(?::\S+)? ")
_DOCKER = re.compile(rb'\{"log":"')

_Piece = tuple[bytes, bool]
"""A piece of a line, and whether the line ends with it."""


def undriven(rows: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Return the rows of a log, numbered from 1, without what a log driver put around them.

    The first row that is not blank says which driver it was, if any. A line in pieces has the
    number of its first.
    """
    numbered = enumerate(rows, start=1)
    first: list[tuple[int, bytes]] = []
    for number, raw in numbered:
        taken_apart = _driver(raw)
        if taken_apart is not None:
            return chain(first, _joined(number, raw, numbered, taken_apart))
        first.append((number, raw))
        if raw.strip():
            break
    return chain(first, numbered)


def _driver(raw: bytes) -> Callable[[bytes], _Piece | None] | None:
    if _CRI.match(raw):
        return _cri
    return _docker if _DOCKER.match(raw) and _docker(raw) is not None else None


def _joined(
    number: int,
    raw: bytes,
    rest: Iterator[tuple[int, bytes]],
    taken_apart: Callable[[bytes], _Piece | None],
) -> Iterator[tuple[int, bytes]]:
    held, begin = b"", number
    while True:
        piece = taken_apart(raw)
        if piece is None:
            yield number, raw
        else:
            begin = begin if held else number
            held += piece[0]
            if piece[1]:
                yield begin, held
                held = b""
        following = next(rest, None)
        if following is None:
            break
        number, raw = following
    if held:
        yield begin, held


def _cri(raw: bytes) -> _Piece | None:
    prefix = _CRI.match(raw)
    return None if prefix is None else (raw[prefix.end() :].rstrip(b"\r"), prefix[1] == b"F")


def _docker(raw: bytes) -> _Piece | None:
    try:
        entry = orjson.loads(raw)
    except ValueError:
        return None
    line = entry.get("log") if isinstance(entry, dict) and "stream" in entry else None
    if not isinstance(line, str):
        return None
    return line.rstrip("\r\n").encode("utf-8", "replace"), line.endswith("\n")
