"""The application behind `routectl serve`. Errors have the shape of OpenAI's."""

from __future__ import annotations

import contextlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx2
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from routectl.errors import InputError
from routectl.proxy.decider import Decider
from routectl.proxy.settings import Settings

log = logging.getLogger("routectl.proxy")

_PASSED_BACK = ("content-type", "content-encoding", "retry-after", "x-request-id")
"""Headers of the upstream that a client gets."""


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


def make_app(decider: Decider, settings: Settings) -> Starlette:
    """The application; it opens its connections to the upstream when it starts."""
    server = _Server(decider, settings)
    return Starlette(
        routes=[
            Route("/health", server.health),
            Route("/metrics", server.metrics),
            Route("/v1/models", server.models),
            Route("/v1/decide", server.decide, methods=["POST"]),
            Route("/v1/chat/completions", server.chat, methods=["POST"]),
        ],
        lifespan=server.lifespan,
        exception_handlers={Refused: _refused},
    )


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return error.response()


class _Server:
    def __init__(self, decider: Decider, settings: Settings) -> None:
        self._decider = decider
        self._settings = settings
        self._registry = CollectorRegistry()
        self._registry.register(_Counts(decider))
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
        body = await self._body(request)
        decision = await self._decision(body)
        return JSONResponse(decision.to_json())

    async def chat(self, request: Request) -> Response:
        self._authenticate(request)
        if self._settings.upstream is None:
            raise Refused(404, "invalid_request_error", "This server only decides: /v1/decide.")
        body = await self._body(request)
        decision = await self._decision(body)
        if decision.model is None:
            message = f"The route {decision.route} declares no models."
            raise Refused(503, "server_error", message)
        return await self._passed_on(body | {"model": decision.model})

    def _authenticate(self, request: Request) -> None:
        token = self._settings.token
        if token is None:
            return
        scheme, _, sent = request.headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(sent.strip().encode(), token.encode())
        if scheme.lower() != "bearer" or not same:
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

    async def _decision(self, body: dict[str, Any]) -> Any:
        route = body.get("model")
        if not isinstance(route, str):
            raise Refused(400, "invalid_request_error", "The request names no model: a route's.")
        try:
            return await self._decider.decide(route, body)
        except InputError as error:
            raise Refused(404, "invalid_request_error", f"{error}.") from None

    async def _passed_on(self, body: dict[str, Any]) -> Response:
        key = self._settings.upstream_key
        headers = {"content-type": "application/json"}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        try:
            # A lone surrogate, which JSON can hold, stays as it was escaped.
            content = json.dumps(body, allow_nan=False).encode()
        except (ValueError, RecursionError):
            raise Refused(400, "invalid_request_error", "The request is no JSON object.") from None
        address = f"{self._settings.upstream}/chat/completions"
        sent = self._client.build_request("POST", address, content=content, headers=headers)
        try:
            answer = await self._client.send(sent, stream=True)
        except httpx2.HTTPError as error:
            log.error("the upstream does not answer: %s", type(error).__name__)
            raise Refused(502, "server_error", "The upstream does not answer.") from None
        return StreamingResponse(
            answer.aiter_raw(),
            status_code=answer.status_code,
            headers={name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers},
            background=BackgroundTask(answer.aclose),
        )


class _Counts(Collector):
    """What the decider and the routes file have counted."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider

    def collect(self) -> Iterable[Metric]:
        requests = CounterMetricFamily(
            "routectl_requests",
            "Requests by route, decision and reason",
            labels=["route", "decision", "reason"],
        )
        for labels, count in self._decider.reasons.copy().items():
            requests.add_metric(list(labels), count)
        running = self._decider.running
        yield requests
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
