"""The application behind `routectl serve`. Errors have the shape of OpenAI's."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import secrets
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import anyio
import httpx2
from prometheus_client import CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Send

from routectl.callers import caller_of
from routectl.errors import InputError, UsageError
from routectl.extraction.texts import clean
from routectl.field_text import text
from routectl.proxy.admission import Admission, Refused
from routectl.proxy.decider import Decider, Decision, RequestFacts
from routectl.proxy.decision_log import Answered, DecisionLog
from routectl.proxy.metrics import DecisionCounts
from routectl.proxy.scorer import AT_ONCE
from routectl.proxy.settings import Settings
from routectl.proxy.usage import Usage

log = logging.getLogger("routectl.proxy")

_PASSED_BACK = ("content-type", "content-encoding", "retry-after", "x-request-id")
"""Headers of the upstream that a client gets."""
_PASSED_ON = (b"anthropic-version", b"anthropic-beta", b"x-request-id")
"""Headers of the client that the upstream gets."""
_CALLS = ("chat/completions", "completions", "responses", "messages")
_SESSION = ("x-session-id", "x-litellm-session-id")
"""Headers that name the conversation."""

BODY_SECONDS = 60.0
"""In which a request must have arrived whole."""
_GONE = 499
"""Status in the log of a call whose client left before its answer."""


class _BrokenOff(Exception):  # noqa: N818 - the upstream's fault, which is logged where it is seen
    """The upstream ended before its answer did."""


class _PassedBack(StreamingResponse):
    """An upstream's answer. Where it breaks off, the connection does: nobody takes it for whole."""

    async def stream_response(self, send: Send) -> None:
        with contextlib.suppress(_BrokenOff):
            await super().stream_response(send)


def make_app(
    decider: Decider, settings: Settings, decision_log: DecisionLog | None = None
) -> Starlette:
    """The application; it opens its connections to the upstream when it starts."""
    server = _Server(decider, settings, decision_log)
    app = Starlette(
        routes=[
            Route("/health", server.health),
            Route("/metrics", server.metrics),
            Route("/v1/models", server.models),
            Route("/v1/decide", server.decide, methods=["POST"]),
            Route("/v1/embeddings", server.embeddings, methods=["POST"]),
            *(Route(f"/v1/{call}", server.call, methods=["POST"]) for call in _CALLS),
        ],
        lifespan=server.lifespan,
        middleware=[Middleware(Admission, most=settings.max_concurrent)],
        exception_handlers={Refused: _refused, HTTPException: _unknown, Exception: _failed},
    )
    # Behind a gateway that ends TLS it would lead a client to plain http, with key and prompt.
    app.router.redirect_slashes = False
    return app


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return error.response()


async def _unknown(request: Request, error: Exception) -> Response:
    """A path or method that is not here."""
    assert isinstance(error, HTTPException)
    what = "path" if error.status_code == 404 else "method"
    message = f"This server has no such {what}: {request.method} {request.url.path[:200]}."
    refused = Refused(error.status_code, "invalid_request_error", message)
    return refused.response(error.headers)


async def _failed(_request: Request, _error: Exception) -> Response:
    return Refused(500, "server_error", "The server failed.").response()


def _require_json(request: Request) -> None:
    """Refuse a call that is not sent as JSON: a page in a browser on this machine can send all
    else without being asked, at the cost of the operator's upstream key."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        message = "Send the request with the header Content-Type: application/json."
        raise Refused(415, "invalid_request_error", message)


class _Server:
    def __init__(
        self, decider: Decider, settings: Settings, decision_log: DecisionLog | None
    ) -> None:
        self._decider = decider
        self._settings = settings
        self._log = decision_log
        self._registry = CollectorRegistry()
        self._registry.register(DecisionCounts(decider, decision_log))
        self._client: httpx2.AsyncClient

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        # A model may think for minutes before its first word. No redirects: the key stays here.
        timeout = httpx2.Timeout(600.0, connect=10.0)
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=100)
        async with httpx2.AsyncClient(
            timeout=timeout, limits=limits, follow_redirects=False
        ) as client:
            self._client = client
            yield

    async def health(self, _request: Request) -> Response:
        running = self._decider.running
        routes = {
            name: f"a{route.active.policy.activation_id}" for name, route in running.routes.items()
        }
        return JSONResponse({"status": "ok", "routes": routes, "problem": running.problem})

    async def metrics(self, request: Request) -> Response:
        self._authenticate(request)
        return Response(generate_latest(self._registry), media_type="text/plain; version=0.0.4")

    async def models(self, request: Request) -> Response:
        self._authenticate(request)
        data = [
            {"id": name, "object": "model", "owned_by": "routectl"}
            for name in self._decider.running.routes
        ]
        return JSONResponse({"object": "list", "data": data})

    async def decide(self, request: Request) -> Response:
        self._authenticate(request)
        answered = Answered(client_request_id=_client_request_id(request))
        decision, facts = await self._decision(request)
        if self._log is not None:
            self._log.write(decision, facts, "decide", answered)
        return JSONResponse(decision.to_json())

    async def embeddings(self, request: Request) -> Response:
        """What RouteLLM's own server asks for: vectors for the checkpoint that `export --format
        routellm` writes, of the one mf router that runs."""
        self._authenticate(request)
        body = await self._body(request)
        texts = body.get("input")
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise Refused(400, "invalid_request_error", "The input is no text or list of texts.")
        if not 0 < len(texts) <= AT_ONCE:
            raise Refused(400, "invalid_request_error", f"The input takes 1 to {AT_ONCE} texts.")
        routes = self._decider.running.routes.values()
        scorers = {scorer for route in routes for scorer in route.scorers if scorer.name == "mf"}
        if len(scorers) != 1:
            message = f"This server has {len(scorers)} mf routers, and embeddings take one."
            raise Refused(404, "invalid_request_error", message)
        (scorer,) = scorers
        plain = [clean(text) for text in texts]
        try:
            vectors = await asyncio.to_thread(scorer.linear_features, plain)
        except Exception as error:  # a router's own fault must not become the client's
            log.error("texts were not embedded: %s", type(error).__name__)
            raise Refused(500, "server_error", "The texts could not be embedded.") from None
        assert vectors is not None
        data = [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors.tolist())
        ]
        usage = {"prompt_tokens": 0, "total_tokens": 0}
        model = body.get("model")
        return JSONResponse({"object": "list", "data": data, "model": model, "usage": usage})

    async def call(self, request: Request) -> Response:
        self._authenticate(request)
        if not self._settings.passes_on:
            raise Refused(404, "invalid_request_error", "This server only decides: /v1/decide.")
        _require_json(request)
        answered = Answered(client_request_id=_client_request_id(request))
        decision, facts = await self._decision(request)
        call = request.url.path.removeprefix("/v1/")
        try:
            if decision.model is None:
                message = f"The route {decision.route} declares no models."
                raise Refused(503, "server_error", message)
            assert isinstance(facts.whole, dict)
            answer = await self._answer(request, call, facts.whole | {"model": decision.model})
        except Refused as refused:
            answered.status = refused.status
            if self._log is not None and refused.status >= _GONE:
                self._log.write(decision, facts, call, answered)
            raise
        answered.status = answer.status_code

        async def passed_back() -> AsyncIterator[bytes]:
            kind = answer.headers.get("content-type", "")
            usage = Usage(is_stream=kind.startswith("text/event-stream"))
            try:
                async for part in answer.aiter_raw():
                    yield part
                    if self._log is not None:
                        usage.feed(part)
            except httpx2.HTTPError as error:
                answered.status = 502
                log.error("the upstream broke off: %s", type(error).__name__)
                raise _BrokenOff from None
            finally:
                if self._log is not None:
                    usage.end()
                    answered.tokens_in, answered.tokens_out = usage.tokens_in, usage.tokens_out
                    self._log.write(decision, facts, call, answered)
                # Also where the client went away, which cancels whatever waits here.
                with anyio.CancelScope(shield=True):
                    await answer.aclose()

        # Their bytes as they came.
        answer.headers.encoding = "latin-1"
        return _PassedBack(
            passed_back(),
            status_code=answer.status_code,
            headers={name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers},
        )

    def _authenticate(self, request: Request) -> None:
        token = self._settings.token
        if token is None:
            return
        scheme, _, sent = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            sent = request.headers.get("x-api-key", "")  # as clients of Messages send it
        if not hmac.compare_digest(sent.strip().encode(), token.encode()):
            raise Refused(401, "authentication_error", "The bearer token is missing or wrong.")

    async def _body(self, request: Request) -> dict[str, Any]:
        longest = self._settings.max_body
        if request.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            message = "The request is compressed, which this server does not read: send it plain."
            raise Refused(415, "invalid_request_error", message)
        data = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for chunk in request.stream():
                    data += chunk
                    if len(data) > longest:
                        message = f"The request is longer than {longest:,} bytes."
                        raise Refused(413, "invalid_request_error", message)
        except TimeoutError:
            message = f"The request did not arrive within {BODY_SECONDS:g} seconds."
            raise Refused(408, "invalid_request_error", message) from None
        except ClientDisconnect:
            raise Refused(400, "invalid_request_error", "The request was not sent whole.") from None
        try:
            body = json.loads(data)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise Refused(400, "invalid_request_error", "The request is no JSON object.")
        return body

    def _fields(self, request: Request) -> dict[str, str | None]:
        """What the gateway says of a request, in the headers that the operator trusts it for."""
        fields: dict[str, str | None] = {}
        for name, header in self._settings.segment_headers.items():
            written = request.headers.get(header)
            if written is not None:
                # The bytes of a header are no characters yet.
                with contextlib.suppress(UnicodeDecodeError):
                    written = written.encode("latin-1").decode()
            fields[name] = text(written)
        return fields

    async def _decision(self, request: Request) -> tuple[Decision, RequestFacts]:
        body = await self._body(request)
        route = body.get("model")
        if not isinstance(route, str):
            raise Refused(400, "invalid_request_error", "The request names no model: a route's.")
        caller = caller_of(body)
        session = next((request.headers[name] for name in _SESSION if name in request.headers), "")
        facts = RequestFacts(
            fields=self._fields(request),
            conversation=text(session) or caller.conversation,
            end_user=caller.end_user,
            # A canary draws by it, so that a client's second attempt is decided as its first.
            request_id=_client_request_id(request) or secrets.token_hex(16),
            whole=body,
        )
        try:
            return await self._decider.decide(route, body, facts), facts
        except InputError as error:
            raise Refused(404, "invalid_request_error", f"{error}.") from None
        except UsageError as error:
            raise Refused(400, "invalid_request_error", f"{error}.") from None

    async def _answer(self, request: Request, call: str, body: dict[str, Any]) -> httpx2.Response:
        """What the upstream of the body's model answers; its content is not read yet."""
        upstream = self._settings.upstream_of(body["model"])
        if upstream is None:
            message = f"No --upstream has the model {body['model']}."
            raise Refused(503, "server_error", message)
        # The client's as they came: in any encoding, and as often as it named one.
        headers = [(name, value) for name, value in request.headers.raw if name in _PASSED_ON]
        # Uncompressed, because its tokens are read as it is passed on.
        headers += [(b"content-type", b"application/json"), (b"accept-encoding", b"identity")]
        if upstream.key is not None:
            name, scheme = ("x-api-key", "") if call == "messages" else ("authorization", "Bearer ")
            headers.append((name.encode(), f"{scheme}{upstream.key}".encode()))
        try:
            # A lone surrogate, which JSON can hold, stays as it was escaped.
            content = json.dumps(body, allow_nan=False).encode()
        except (ValueError, RecursionError):
            raise Refused(400, "invalid_request_error", "The request is no JSON object.") from None
        address = f"{upstream.address}/{call}"
        sent = self._client.build_request("POST", address, content=content, headers=headers)
        try:
            answer = await self._while_connected(request, self._client.send(sent, stream=True))
        except httpx2.HTTPError as error:
            log.error("the upstream does not answer: %s", type(error).__name__)
            raise Refused(502, "server_error", "The upstream does not answer.") from None
        if 300 <= answer.status_code <= 399:
            await answer.aclose()
            message = f"The upstream redirects ({answer.status_code}), and is not followed."
            log.error("%s Name in --upstream where it leads to.", message)
            raise Refused(502, "server_error", message)
        if not 200 <= answer.status_code <= 599:
            await answer.aclose()
            log.error("the upstream answers with the status %d", answer.status_code)
            message = f"The upstream answers with {answer.status_code}, which is no status."
            raise Refused(502, "server_error", message)
        return answer

    async def _while_connected(
        self, request: Request, asking: Coroutine[Any, Any, httpx2.Response]
    ) -> httpx2.Response:
        """What the upstream answers, unless the client leaves before: then it is asked no more."""

        async def leave() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass

        answering, leaving = asyncio.create_task(asking), asyncio.create_task(leave())
        try:
            await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                raise Refused(_GONE, "client_error", "The client left before the answer.")
            return answering.result()
        finally:
            leaving.cancel()
            answering.cancel()
            await asyncio.wait((answering, leaving))


def _client_request_id(request: Request) -> str | None:
    return text(request.headers.get("x-request-id"))
