"""Requests to an OpenAI-compatible `/embeddings` endpoint, tried again while that can help.

The standard library's client is enough for one POST. It follows no redirect here, because the key
and the prompts go to the host that was named and to no other.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from ipaddress import ip_address
from threading import Event
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from routectl.errors import EmbeddingError

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

KEY, OPENAI_KEY = "ROUTECTL_EMBEDDING_KEY", "OPENAI_API_KEY"
_OPENAI_HOST = "api.openai.com"

_PASSING = (408, 409, 425, 429, 500, 502, 503, 504)
"""HTTP statuses that may be another one a little later."""
_LARGEST_ANSWER = 256 * 2**20
_BROKEN = "breaks off its answer"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an endpoint is waited for, in seconds."""

    request: float = 30.0
    """For any byte of one answer."""
    first_delay: float = 0.5
    """Before the second attempt; it doubles with each one, and a random share is taken off."""
    longest_delay: float = 20.0
    attempts: int = 6
    total: float = 90.0
    """After which no further attempt begins."""


PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Answer:
    """What one attempt gave."""

    status: int | None
    """None where no HTTP answer came."""
    body: bytes
    trouble: str
    """What went wrong if something did, as a clause for people."""
    retry_after: float | None


class Endpoint:
    """One model at one address."""

    def __init__(self, url: str, model: str, patience: Patience) -> None:
        self.host = urlsplit(url).netloc
        self._url = f"{url}/embeddings"
        self._model = model
        self._patience = patience
        self._opener = _opener(urlsplit(url).hostname or "")
        self._headers = {"Content-Type": "application/json", "User-Agent": "routectl"}
        key = _key(url)
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._has_key = bool(key)

    def post(self, texts: Sequence[str], stop: Event) -> object:
        """The JSON value that the endpoint answers with.

        Args:
            stop: ends the waiting between two attempts.

        Raises:
            EmbeddingError: it refuses, or still fails after all attempts.
        """
        request = {"model": self._model, "input": list(texts), "encoding_format": "float"}
        body = json.dumps(request).encode()
        started = time.monotonic()
        attempt = 0
        while True:
            attempt += 1
            answer = self._attempt(body)
            if answer.status == 200:
                return self._parsed(answer.body)
            passing = answer.status is None or answer.status in _PASSING
            delay = self._delay(attempt, answer.retry_after)
            late = time.monotonic() - started + delay > self._patience.total
            if not passing:
                raise EmbeddingError(self._refusal(answer))
            if attempt >= self._patience.attempts or late:
                raise EmbeddingError(self._exhausted(answer, attempt))
            if stop.wait(delay):
                raise EmbeddingError(self._exhausted(answer, attempt))

    def _attempt(self, body: bytes) -> Answer:
        from urllib.error import HTTPError, URLError
        from urllib.request import Request

        request = Request(self._url, data=body, headers=self._headers, method="POST")
        try:
            with self._opener.open(request, timeout=self._patience.request) as response:
                content = response.read(_LARGEST_ANSWER)
                # A bounded read does not say by itself that the answer was to be longer.
                whole = not response.length
                return Answer(response.status if whole else None, content, _BROKEN, None)
        except HTTPError as error:
            with error:
                wait = _seconds(error.headers)
            return Answer(error.code, b"", f"answers with HTTP {error.code}", wait)
        except TimeoutError:
            return self._timed_out()
        except URLError as error:
            if isinstance(error.reason, TimeoutError):
                return self._timed_out()
            reason = error.reason
            words = reason.strerror if isinstance(reason, OSError) else None
            return Answer(None, b"", f"cannot be reached ({words or type(reason).__name__})", None)
        except (HTTPException, OSError) as error:
            return Answer(None, b"", f"{_BROKEN} ({type(error).__name__})", None)

    def _timed_out(self) -> Answer:
        return Answer(None, b"", f"says nothing for {self._patience.request:g} s", None)

    def _delay(self, attempt: int, retry_after: float | None) -> float:
        if retry_after is not None:
            return retry_after
        patience = self._patience
        full = min(patience.longest_delay, patience.first_delay * 2.0 ** (attempt - 1))
        # Parallel requests that failed together must not come back together.
        return full * random.uniform(0.5, 1.0)

    def _parsed(self, body: bytes) -> object:
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise EmbeddingError(
                f"The embedding endpoint {self.host} answers with something that is no JSON; check "
                "that the address ends where /embeddings follows, often in /v1."
            ) from None

    def _refusal(self, answer: Answer) -> str:
        status, start = answer.status, f"The embedding endpoint {self.host}"
        if status in (401, 403):
            what = "refuses the key" if self._has_key else "wants a key"
            return f"{start} {what} (HTTP {status}); set {KEY} to one that may use {self._model}."
        if status == 404:
            return (
                f"{start} has no model {self._model!r} or no /embeddings at this address (HTTP "
                "404); check both, the address often ends in /v1."
            )
        if status is not None and 300 <= status < 400:
            return (
                f"{start} redirects to another address (HTTP {status}), which is not followed; "
                "name the final address."
            )
        if status in (400, 413, 422):
            return (
                f"{start} refuses the request (HTTP {status}); if prompts are longer than "
                f"{self._model} takes, train with ?characters=N in the embedder's address."
            )
        return f"{start} answers with HTTP {status}; ask whoever runs it."

    def _exhausted(self, answer: Answer, attempts: int) -> str:
        start = f"The embedding endpoint {self.host}"
        tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        again = "what was done is kept, run it again later"
        if answer.status == 429:
            wait = "" if answer.retry_after is None else f", to wait {answer.retry_after:.0f} s"
            return f"{start} limits the rate{wait} (HTTP 429, {tries}); {again}."
        return f"{start} {answer.trouble} ({tries}); {again}."


def _key(url: str) -> str | None:
    """The key for an address, from the environment.

    A checkpoint names an address, and may come from anywhere: the key for OpenAI goes to OpenAI and
    to this machine only.
    """
    key = os.environ.get(KEY)
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not key and (is_loopback(host) or (parts.scheme == "https" and host == _OPENAI_HOST)):
        key = os.environ.get(OPENAI_KEY)
    key = (key or "").strip()
    if not key.isascii() or not key.isprintable():
        raise EmbeddingError(f"The key in {KEY} or {OPENAI_KEY} holds characters no key can have.")
    return key or None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _opener(host: str) -> OpenerDirector:
    from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener

    class NoRedirect(HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    # No proxy of the network can reach this machine's own ports.
    return build_opener(NoRedirect, ProxyHandler({} if is_loopback(host) else None))


def _seconds(headers: Message) -> float | None:
    """Retry-After: seconds or a date (RFC 9110, section 10.2.3)."""
    text = headers.get("Retry-After") or ""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
