"""The application behind `routectl serve`. Errors have the shape of OpenAI's."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import secrets
from collections.abc import AsyncIterator, Iterable
from typing import Any

import anyio
import httpx2
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from routectl.callers import caller_of
from routectl.errors import InputError, UsageError
from routectl.extraction.texts import clean
from routectl.field_text import text
from routectl.proxy.decider import Decider, Decision, RequestFacts
from routectl.proxy.decision_log import Answered, DecisionLog
from routectl.proxy.scorer import AT_ONCE
from routectl.proxy.settings import Settings
from routectl.proxy.usage import Usage

log = logging.getLogger("routectl.proxy")

_PASSED_BACK = ("content-type", "content-encoding", "retry-after", "x-request-id")
"""Headers of the upstream that a client gets."""


_PASSED_ON = ("anthropic-version", "anthropic-beta", "x-request-id")
"""Headers of the client that the upstream gets."""
_CALLS = ("chat/completions", "completions", "responses", "messages")
_SESSION = ("x-session-id", "x-litellm-session-id")
"""Headers that name the conversation."""


class Refused(Exception):  # noqa: N818 - an answer to a client
    """A request that is answered with an error."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind

    def response(self) -> JSONResponse:
        """As OpenAI's API says it."""
        error = {"message": str(self), "type": self.kind, "param": None, "code": None}
        return JSONResponse({"error": error}, status_code=self.status)


def make_app(
    decider: Decider, settings: Settings, decision_log: DecisionLog | None = None
) -> Starlette:
    """The application; it opens its connections to the upstream when it starts."""
    server = _Server(decider, settings, decision_log)
    return Starlette(
        routes=[
            Route("/health", server.health),
            Route("/metrics", server.metrics),
            Route("/v1/models", server.models),
            Route("/v1/decide", server.decide, methods=["POST"]),
            Route("/v1/embeddings", server.embeddings, methods=["POST"]),
            *(Route(f"/v1/{call}", server.call, methods=["POST"]) for call in _CALLS),
        ],
        lifespan=server.lifespan,
        exception_handlers={Refused: _refused},
    )


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return error.response()


class _Server:
    def __init__(
        self, decider: Decider, settings: Settings, decision_log: DecisionLog | None
    ) -> None:
        self._decider = decider
        self._settings = settings
        self._log = decision_log
        self._registry = CollectorRegistry()
        self._registry.register(_Counts(decider, decision_log))
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
        answered = Answered()
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
        answered = Answered()
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
            if self._log is not None and refused.status >= 500:
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
                # The client must not take what it has for the whole.
                raise
            finally:
                if self._log is not None:
                    usage.end()
                    answered.tokens_in, answered.tokens_out = usage.tokens_in, usage.tokens_out
                    self._log.write(decision, facts, call, answered)
                # Also where the client went away, which cancels whatever waits here.
                with anyio.CancelScope(shield=True):
                    await answer.aclose()

        return StreamingResponse(
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
        data = bytearray()
        try:
            async for chunk in request.stream():
                data += chunk
                if len(data) > longest:
                    message = f"The request is longer than {longest:,} bytes."
                    raise Refused(413, "invalid_request_error", message)
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
            conversation=session or caller.conversation,
            end_user=caller.end_user,
            request_id=request.headers.get("x-request-id") or secrets.token_hex(16),
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
        # Uncompressed, because its tokens are read as it is passed on.
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        headers |= {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        if upstream.key is not None:
            if call == "messages":
                headers["x-api-key"] = upstream.key
            else:
                headers["authorization"] = f"Bearer {upstream.key}"
        try:
            # A lone surrogate, which JSON can hold, stays as it was escaped.
            content = json.dumps(body, allow_nan=False).encode()
        except (ValueError, RecursionError):
            raise Refused(400, "invalid_request_error", "The request is no JSON object.") from None
        address = f"{upstream.address}/{call}"
        sent = self._client.build_request("POST", address, content=content, headers=headers)
        try:
            return await self._client.send(sent, stream=True)
        except httpx2.HTTPError as error:
            log.error("the upstream does not answer: %s", type(error).__name__)
            raise Refused(502, "server_error", "The upstream does not answer.") from None


class _Counts(Collector):
    """What the decider and the routes file have counted."""

    def __init__(self, decider: Decider, decision_log: DecisionLog | None) -> None:
        self._decider = decider
        self._log = decision_log

    def collect(self) -> Iterable[Metric]:
        requests = CounterMetricFamily(
            "routectl_requests",
            "Requests by route, decision and reason",
            labels=["route", "decision", "reason"],
        )
        for labels, count in self._decider.reasons.copy().items():
            requests.add_metric(list(labels), count)
        scored = CounterMetricFamily(
            "routectl_prompts",
            "Prompts that were to be scored, by their length and what came of it",
            labels=["route", "characters", "outcome"],
        )
        for labels, count in self._decider.outcomes.copy().items():
            scored.add_metric(list(labels), count)
        running = self._decider.running
        yield requests
        yield scored
        if self._log is not None:
            yield CounterMetricFamily(
                "routectl_log_failures",
                "Decisions that could not be written to the log",
                value=self._log.failures,
            )
        yield CounterMetricFamily(
            "routectl_routes_changes", "Times that routes.json was taken up", value=running.changes
        )
        yield CounterMetricFamily(
            "routectl_routes_failures",
            "Times that what routes.json had become could not be carried out",
            value=running.failures,
        )
        yield GaugeMetricFamily(
            "routectl_routes_current",
            "1 where routes.json is what runs, 0 where the last good one is kept",
            value=running.problem is None,
        )
        activations = GaugeMetricFamily(
            "routectl_activation", "The activation that a route runs", labels=["route"]
        )
        for name, route in running.routes.items():
            activations.add_metric([name], route.active.policy.activation_id or 0)
        yield activations
