"""Requests to one OpenAI-compatible endpoint, tried again while that can help.

The standard library's client is enough for one POST. It follows no redirect here, because the key
and the prompts go to the host that was named and to no other. What comes back is bounded in time
and size byte by byte (`_BoundedReader`): the library's own timeout begins anew with each byte, and
its limits let headers and `100 Continue` go on without end.
"""

from __future__ import annotations

import io
import json
import os
import random
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from ipaddress import ip_address
from threading import Event
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from routectl.errors import EndpointError

if TYPE_CHECKING:
    from urllib.request import OpenerDirector, Request

OPENAI_KEY = "OPENAI_API_KEY"
_OPENAI_HOST = "api.openai.com"

_PASSING = (408, 409, 425, 429, 500, 502, 503, 504)
"""HTTP statuses that may be another one a little later."""
REFUSALS = (400, 413, 422)
"""HTTP statuses that say that this one request is not taken."""
_LARGEST_REFUSAL = 2**16
_BROKEN = "breaks off its answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long an endpoint is waited for, in seconds."""

    request: float = 30.0
    """For any byte of one answer."""
    answer: float = 120.0
    """For one answer as a whole, from the first byte that is sent to the last that comes back."""
    first_delay: float = 0.5
    """Before the second attempt; it doubles with each one, and a random share is taken off."""
    longest_delay: float = 20.0
    attempts: int = 6
    total: float = 90.0
    """After which no further attempt begins."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one attempt gave."""

    status: int | None
    """None where no whole HTTP answer came."""
    body: bytes
    trouble: str = ""
    """What went wrong if something did, as a clause for people."""
    retry_after: float | None = None
    """Seconds."""
    unreached: bool = False
    """Whether the request never left this machine."""

    @property
    def passing(self) -> bool:
        """Whether the same request may fare better a little later."""
        return self.status is None or self.status in _PASSING


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What an endpoint is asked for, and how to speak of it when it does not do it."""

    name: str
    """As in "The NAME host ...", and without a capital."""
    path: str
    """Behind the address, with its slash."""
    keys: Sequence[str]
    """Environment variables of its key, the first that is set counts. The first of them is the one
    that people are told to set."""
    largest_answer: int
    """Bytes of an answer with its headers, well above what an honest one has."""
    too_long: str
    """What to do about a request that is refused, as a clause."""
    error: type[EndpointError]


class Endpoint:
    """One service of one model at one address."""

    def __init__(self, url: str, model: str, service: Service, patience: Patience) -> None:
        """Nothing is sent yet.

        Args:
            url: http(s), without a slash at its end; the service's path follows it.

        Raises:
            EndpointError: the key in the environment is none.
        """
        self.host = urlsplit(url).netloc
        self.model = model
        self._url = f"{url}{service.path}"
        self._service = service
        self._patience = patience
        self._opener = _opener(
            urlsplit(url).hostname or "", patience.answer, service.largest_answer
        )
        self._headers = {"Content-Type": "application/json", "User-Agent": "routectl"}
        key = key_for(url, service)
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._has_key = bool(key)

    def post(self, request: object, stop: Event) -> object:
        """The JSON value that the endpoint answers with.

        Args:
            stop: ends the waiting between two attempts.

        Raises:
            EndpointError: it refuses, or still fails after all attempts.
        """
        body = json.dumps(request).encode()
        answer = self.persist(lambda: self.attempt(body), stop)
        if answer.status != 200:
            raise self.refused(answer)
        return self.parsed(answer)

    def persist(self, attempt: Callable[[], Answer], stop: Event) -> Answer:
        """The first answer that trying again would not change, whatever its status.

        Args:
            attempt: makes one attempt.

        Raises:
            EndpointError: no such answer came with all patience.
        """
        started = time.monotonic()
        attempts = 0
        while True:
            attempts += 1
            answer = attempt()
            if not answer.passing:
                return answer
            delay = self._delay(attempts, answer.retry_after)
            late = time.monotonic() - started + delay > self._patience.total
            if attempts >= self._patience.attempts or late or stop.wait(delay):
                raise self._service.error(self._exhausted(answer, attempts))

    def attempt(self, body: bytes) -> Answer:
        """Send a request once; never raises for what the other side or the network does."""
        from urllib.error import HTTPError, URLError
        from urllib.request import Request

        request = Request(self._url, data=body, headers=self._headers, method="POST")
        try:
            with self._opener.open(request, timeout=self._patience.request) as response:
                content = response.read(self._service.largest_answer)
                # A bounded read does not say by itself that the answer was to be longer.
                whole = not response.length
                return Answer(response.status if whole else None, content, _BROKEN)
        except HTTPError as error:
            with error:
                return Answer(
                    error.code,
                    _read_refusal(error),
                    f"answers with HTTP {error.code}",
                    _seconds(error.headers),
                )
        except _EndlessError as error:
            return Answer(None, b"", str(error))
        except TimeoutError:
            return self._timed_out()
        except URLError as error:
            if isinstance(error.reason, _EndlessError):
                return Answer(None, b"", str(error.reason))
            if isinstance(error.reason, TimeoutError):
                return self._timed_out()
            reason = error.reason
            words = reason.strerror if isinstance(reason, OSError) else None
            trouble = f"cannot be reached ({words or type(reason).__name__})"
            unreached = isinstance(reason, ConnectionRefusedError | socket.gaierror)
            return Answer(None, b"", trouble, unreached=unreached)
        except (HTTPException, OSError) as error:
            return Answer(None, b"", f"{_BROKEN} ({type(error).__name__})")

    def parsed(self, answer: Answer) -> object:
        """The JSON value of an answer.

        Raises:
            EndpointError: it is no JSON.
        """
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise self.error(
                "answers with something that is no JSON; check that the address ends where "
                f"{self._service.path} follows, often in /v1."
            ) from None

    def error(self, clause: str) -> EndpointError:
        """The error that says a clause of this endpoint."""
        return self._service.error(f"The {self._service.name} {self.host} {clause}")

    def refused(self, answer: Answer) -> EndpointError:
        """The error for an answer that is not 200 and will not become it."""
        return self.error(self._refusal(answer.status))

    def _refusal(self, status: int | None) -> str:
        service, model = self._service, self.model
        if status in (401, 403):
            what = "refuses the key" if self._has_key else "wants a key"
            if not _is_private(self._url):
                return (
                    f"wants a key (HTTP {status}), and none is sent over plain http; name its "
                    "https address."
                )
            return f"{what} (HTTP {status}); set {service.keys[0]} to one that may use {model}."
        if status == 404:
            return (
                f"has no model {model!r} or no {service.path} at this address (HTTP 404); check "
                "both, the address often ends in /v1."
            )
        if status is not None and 300 <= status < 400:
            return (
                f"redirects to another address (HTTP {status}), which is not followed; name the "
                "final address."
            )
        if status in REFUSALS:
            return f"refuses the request (HTTP {status}); {service.too_long}."
        return f"answers with HTTP {status}; ask whoever runs it."

    def _exhausted(self, answer: Answer, attempts: int) -> str:
        start = f"The {self._service.name} {self.host}"
        tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        again = "what was done is kept, run it again later"
        if answer.status == 429:
            wait = "" if answer.retry_after is None else f", to wait {answer.retry_after:.0f} s"
            return f"{start} limits the rate{wait} (HTTP 429, {tries}); {again}."
        return f"{start} {answer.trouble} ({tries}); {again}."

    def _timed_out(self) -> Answer:
        return Answer(None, b"", f"says nothing for {self._patience.request:g} s")

    def _delay(self, attempts: int, retry_after: float | None) -> float:
        if retry_after is not None:
            return retry_after
        patience = self._patience
        full = min(patience.longest_delay, patience.first_delay * 2.0 ** (attempts - 1))
        # Parallel requests that failed together must not come back together.
        return full * random.uniform(0.5, 1.0)


def key_for(url: str, service: Service) -> str | None:
    """The key for an address, from the environment.

    An address may come from anywhere, a checkpoint for one: the key for OpenAI goes to OpenAI and
    to this machine only. No key is sent over plain HTTP, but to this machine.

    Raises:
        EndpointError: what is set there can be no key.
    """
    key = next(filter(None, (os.environ.get(name) for name in service.keys)), None)
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not key and (is_loopback(host) or host == _OPENAI_HOST):
        key = os.environ.get(OPENAI_KEY)
    if not _is_private(url):
        return None
    key = (key or "").strip()
    if not key.isascii() or not key.isprintable():
        names = " or ".join((*service.keys, OPENAI_KEY))
        raise service.error(f"The key in {names} holds characters no key can have.")
    return key or None


def _is_private(url: str) -> bool:
    """Whether nobody on the way to an address reads what is sent there."""
    parts = urlsplit(url)
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


def checked_host(host: str | None) -> str | None:
    """An address's host as it is; raises ValueError where no such name can be looked up."""
    if host is not None:
        # As `socket` does it, whose error says nothing to a user.
        host.encode("idna")
        if not host.isprintable() or " " in host:
            raise ValueError("a host's name holds no spaces")
    return host


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _EndlessError(OSError):
    """An answer takes longer or is larger than any honest one. Its text is a clause for people."""


class _BoundedReader(io.RawIOBase):
    """What a connection sends, for so many seconds and bytes in all."""

    def __init__(self, sock: socket.socket, seconds: float, size: int) -> None:
        self._raw = sock.makefile("rb", 0)
        self._socket = sock
        self._each = sock.gettimeout()
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise self._late()
        self._socket.settimeout(left if self._each is None else min(self._each, left))
        try:
            count = self._raw.readinto(buffer)
        except TimeoutError:
            if time.monotonic() >= self._until:
                raise self._late() from None
            raise
        self._left -= count or 0
        if self._left < 0:
            raise _EndlessError("answers with more than an answer can be")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()

    def _late(self) -> _EndlessError:
        return _EndlessError(f"does not finish its answer in {self._seconds:g} s")


def _opener(host: str, seconds: float, size: int) -> OpenerDirector:
    """Opens addresses whose answers end after so many seconds and bytes."""
    from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
    from urllib.request import (
        HTTPHandler,
        HTTPRedirectHandler,
        HTTPSHandler,
        ProxyHandler,
        build_opener,
    )

    class BoundedResponse(HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
            super().__init__(sock, *args, **kwargs)
            self.fp.close()
            self.fp = io.BufferedReader(_BoundedReader(sock, seconds, size))

    class Connection(HTTPConnection):
        response_class = BoundedResponse

    class SecureConnection(HTTPSConnection):
        response_class = BoundedResponse

    class Handler(HTTPHandler):
        def http_open(self, request: Request) -> HTTPResponse:
            return self.do_open(Connection, request)

    class SecureHandler(HTTPSHandler):
        def https_open(self, request: Request) -> HTTPResponse:
            return self.do_open(SecureConnection, request)

    class NoRedirect(HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    # No proxy of the network can reach this machine's own ports.
    proxies = ProxyHandler({} if is_loopback(host) else None)
    return build_opener(NoRedirect, proxies, Handler, SecureHandler)


def _read_refusal(error: Any) -> bytes:
    try:
        content: bytes = error.read(_LARGEST_REFUSAL)
    except (HTTPException, OSError):
        return b""  # an endless one, too: the status says enough
    return content


def _seconds(headers: Message) -> float | None:
    """Retry-After: seconds or a date (RFC 9110, section 10.2.3)."""
    text = headers.get("Retry-After") or ""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
