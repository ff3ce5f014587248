"""Which requests `routectl serve` takes, and how it refuses one: as OpenAI's errors are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS_ANSWERED = ("/health", "/metrics")
"""What an operator asks also while there are too many requests."""
_LINGER_SECONDS = 2.0
"""So long what a refused client goes on sending is read, so that it can read its answer."""


class Refused(Exception):  # noqa: N818 - an answer to a client
    """A request that is answered with an error."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind

    def response(self, headers: Mapping[str, str] | None = None) -> JSONResponse:
        """As OpenAI's API says it."""
        error = {"message": str(self), "type": self.kind, "param": None, "code": None}
        return JSONResponse({"error": error}, status_code=self.status, headers=headers)


class Admission:
    """Takes so many requests at once, and reads no more of one than its answer needs."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self._app = app
        self._most = most
        self._count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Unread(scope, receive, send)
        if scope["path"] in _ALWAYS_ANSWERED:
            await self._app(scope, request.receive, request.send)
            return
        if self._count >= self._most:
            message = f"This server has {self._most:,} requests at once: try again later."
            response = Refused(503, "server_error", message).response({"retry-after": "1"})
            await response(scope, request.receive, request.send)
            return
        self._count += 1
        try:
            await self._app(scope, request.receive, request.send)
        finally:
            self._count -= 1


class _Unread:
    """A request of which there may be more when it is answered: its connection closes then.

    Otherwise the server would read to its end what never ends.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        lengths = dict(scope["headers"])
        self._is_read = lengths.get(b"content-length", b"0") == b"0"
        self._is_read &= b"transfer-encoding" not in lengths
        self._closes = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._is_read |= not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self._is_read:
            self._closes = True
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        elif self._closes and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            message = {"type": "http.response.body", "body": b""}
            # Closed while the client sends, the connection would lose the answer on its way.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LINGER_SECONDS):
                    while not self._is_read:
                        await self.receive()
        await self._send(message)
