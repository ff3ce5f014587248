"""Bytes in chunks -> rows: lines, or JSON objects that do not keep to lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

MAX_ROW = 64 * 2**20
"""Longest row that is read, in bytes. A chat with inline images stays well below it."""
MARK = b"\xef\xbb\xbf"
"""UTF-8's byte-order mark; in the middle of a log it is where files were joined."""
KEPT_OF_CUT = 2**16
"""How much of a row that is passed over is kept for the reject file, in bytes."""


class Cut(bytes):
    """The beginning of a row that passed `MAX_ROW`, or that is an object without an end."""


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    r"""Yield each line without its `\n`; a `\r` before it stays. Holds at most `MAX_ROW` bytes."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        # By `find`, which searches whole words at a time, and not by `split`, which takes several
        # times as long over lines of a few KB.
        end = chunk.find(b"\n")
        if end < 0:
            size += len(chunk)
            held.append(chunk)
            if size > MAX_ROW:
                held = [b"".join(held[:2])[:KEPT_OF_CUT]]
            continue
        begin = 0
        if held:
            size += end
            first = b"".join([*held, chunk[:end]])
            yield Cut(first[:KEPT_OF_CUT]) if size > MAX_ROW else first
            begin = end + 1
            end = chunk.find(b"\n", begin)
        while end >= 0:
            yield chunk[begin:end]
            begin = end + 1
            end = chunk.find(b"\n", begin)
        rest = chunk[begin:]
        held, size = [rest] if rest else [], len(rest)
    if size > MAX_ROW:
        yield Cut(held[0])
    elif size:
        yield b"".join(held)


_BEGINS = re.compile(rb'\s*(?:\[\s*\{\s*["}]|(?:\[|\{|\[\{)[ \t\r]*\n)')


_NEXT = re.compile(rb"\}\s*\{")


def spans_lines(start: bytes) -> bool:
    """Tell whether a text that starts so is JSON that does not keep to lines.

    That is an array of objects, an object that begins with a line of its own, or objects one
    behind the other without any line feed.
    """
    if _BEGINS.match(start) is not None:
        return True
    if b"\n" in start or not start.lstrip(MARK).startswith(b"{") or not _NEXT.search(start):
        return False
    first = next(objects([start]), b"")
    return not isinstance(first, Cut) and len(first) < len(start.strip())


_UP_TO_BRACE = re.compile(rb'(?:[^"{}]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_IN_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_BETWEEN = b" \t\r\n,[]\x1e"


def objects(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the outermost JSON objects of a text, and what else is between them.

    Only braces outside strings count. An object that passes `MAX_ROW` is passed over to its end
    without being held; it and one without an end are yielded as `Cut`.
    """
    held = bytearray()
    scan = depth = dropped = 0
    in_string = False
    for chunk in chunks:
        held += chunk
        begin = 0
        while True:
            if in_string:
                scan = _end(_IN_STRING, held, scan)
                # A string goes on in the next chunk, perhaps after half an escape.
                if held[scan : scan + 1] != b'"':
                    break
                in_string = False
                scan += 1
            scan = _end(_UP_TO_BRACE, held, scan)
            if scan == len(held):
                break
            sign = held[scan]
            if sign == ord('"'):
                in_string = True
            elif sign == ord("{"):
                if not depth:
                    yield from _between(held[begin:scan], cut=dropped > 0)
                    begin, dropped = scan, 0
                depth += 1
            elif depth:
                depth -= 1
                if not depth:
                    whole = bytes(held[begin : scan + 1])
                    yield Cut(whole[:KEPT_OF_CUT]) if dropped else whole
                    begin, dropped = scan + 1, 0
            scan += 1
        del held[:begin]
        scan -= begin
        if dropped or len(held) > MAX_ROW:
            dropped += scan
            del held[KEPT_OF_CUT:scan]
            scan = min(scan, KEPT_OF_CUT)
    if depth:
        yield Cut(held[:KEPT_OF_CUT])
    else:
        yield from _between(held, cut=dropped > 0)


def _end(pattern: re.Pattern[bytes], text: bytearray, begin: int) -> int:
    match = pattern.match(text, begin)
    return match.end() if match else begin


def _between(text: bytearray, *, cut: bool) -> Iterator[bytes]:
    """Yield what is between the objects and is no separator, so that it is counted."""
    other = bytes(text).strip(_BETWEEN)
    while other.startswith(MARK):
        other = other.removeprefix(MARK).strip(_BETWEEN)
    if other:
        yield Cut(other[:KEPT_OF_CUT]) if cut or len(other) > KEPT_OF_CUT else other
