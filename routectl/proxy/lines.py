"""Prompts and request bodies, one a line, decided one after the other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from routectl.errors import UsageError
from routectl.proxy.decider import Decider, Decision, RequestFacts
from routectl.proxy.running import Running

_PATIENCE_SECONDS = 3600.0
"""Nobody waits for an answer here, so a slow machine must not give another one."""


def decided_lines(
    path: Path, route: str | None, lines: Iterable[bytes], segment: str | None = None
) -> Iterator[Decision]:
    """What each line gets; blank ones are passed over.

    Args:
        path: of routes.json.
        route: its name; None is the only one there is.
        segment: of all lines.

    Raises:
        UsageError: there are several routes, and none is named.
        InputError: the file cannot be carried out, or there is no such route.
    """
    running = Running(path)
    try:
        if route is None:
            if len(running.routes) > 1:
                names = ", ".join(running.routes)
                raise UsageError(f"there are several routes, so name one with --route: {names}")
            (route,) = running.routes
        decider, facts = Decider(running, _PATIENCE_SECONDS), RequestFacts(segment=segment)
        with asyncio.Runner() as runner:
            for line in lines:
                if line.strip():
                    yield runner.run(decider.decide(route, body_of(line), facts))
    finally:
        running.close()


def body_of(line: bytes) -> object:
    """The request body or the turns that JSON says; what is no JSON is a prompt."""
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    if text.lstrip().startswith(("{", "[")):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass  # a prompt may begin so
    return text
