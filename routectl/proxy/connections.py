"""Connections of `routectl serve`: one that sends no request is closed, and there may be many."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as HTTPProtocol
else:
    from uvicorn.protocols.http.auto import AutoHTTPProtocol as HTTPProtocol

HEAD_SECONDS = 60.0
"""In which the head of a connection's next request must have arrived."""
_MOST_FILES = 65_536
"""Connections and other open files; the usual 1,024 are soon taken by idle ones."""


class Connection(HTTPProtocol):
    """Closes itself where no request comes. uvicorn does so only after a request, and never where
    a part of the next one has come."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        if self._head_timer is not None:
            self._head_timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Wait for the next one, if it has not come yet."""
        super().on_response_complete()
        self._await_request()

    def _await_request(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        if self.cycle is None or self.cycle.response_complete:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up, self.cycle)

    def _give_up(self, last: object) -> None:
        if self.cycle is last:  # no other request has begun
            self.transport.close()


def raise_file_limit() -> None:
    """Take as many connections as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
