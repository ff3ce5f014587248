"""Prompts and request bodies, one a line, decided one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from routectl.errors import InputError, UsageError
from routectl.escaping import first_names
from routectl.extraction import holds_turns
from routectl.proxy.decider import Decider, Decision, RequestFacts
from routectl.proxy.running import Running

_PATIENCE_SECONDS = 3600.0
"""Nobody waits for an answer here, so a slow machine must not give another one."""
LONGEST = 64 * 2**20
"""Bytes of a request, as `import` reads them."""


def decided_lines(
    path: Path, route: str | None, lines: IO[bytes], segment: str | None = None
) -> Iterator[Decision]:
    """What each line gets; blank ones are passed over, and so is what cannot be read.

    Args:
        path: of routes.json.
        route: its name; None is the only one there is.
        segment: of all lines.

    Raises:
        UsageError: there are several routes, and none is named.
        InputError: the file cannot be carried out, or there is no such route; or, after the
            others, lines could not be read; or, at once, one is too long.
    """
    running = Running(path)
    try:
        if route is None:
            if len(running.routes) > 1:
                names = first_names(list(running.routes))
                raise UsageError(f"there are several routes, so name one with --route: {names}")
            (route,) = running.routes
        decider, facts = Decider(running, _PATIENCE_SECONDS), RequestFacts(segment=segment)
        with asyncio.Runner() as runner:
            unread, first = 0, ""
            for number, line in enumerate(_lines(lines), 1):
                if not line.strip():
                    continue
                try:
                    body = body_of(line)
                except InputError as error:
                    unread, first = unread + 1, first or f"line {number} holds {error}"
                    continue
                yield runner.run(decider.decide(route, body, facts))
            if unread:
                raise InputError(
                    f"{unread:,} of {number:,} lines of standard input could not be read and were "
                    f"not decided ({first}): give each request body whole, on one line"
                )
    finally:
        running.close()


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    number = 0
    while line := stream.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST:
            raise InputError(
                f"line {number:,} of standard input is longer than {LONGEST // 2**20} MiB: give "
                "one request a line"
            )
        yield line


def body_of(line: bytes) -> object:
    """The request body or the turns that a text says, told as `import` does; else the text itself.

    Raises:
        InputError: it is turns that cannot be read, such as JSON that ends in the middle.
    """
    from routectl.traffic.making import has_conversation, structure_of
    from routectl.traffic.rows import RowError

    text = line.decode("utf-8", "replace").rstrip("\r\n")
    try:
        value = structure_of(text)
    except RowError as error:
        raise InputError(str(error)) from None
    # Any other literal may be asked about.
    return value if has_conversation(value) or holds_turns(value) else text
