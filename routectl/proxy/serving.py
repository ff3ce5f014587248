"""`routectl serve`: the decision over HTTP, and requests passed on to the model of their route."""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from routectl.errors import InputError, UsageError
from routectl.export import ActiveRoute
from routectl.policy import ALWAYS_WEAK, THRESHOLD, Policy
from routectl.proxy.decider import Decider
from routectl.proxy.decision_log import DecisionLog
from routectl.proxy.running import Running
from routectl.proxy.settings import TOKEN, Settings

_PACKAGES = ("starlette", "uvicorn", "httpx2", "prometheus_client")

GRACE_SECONDS = 25
"""After a signal, for the calls that are under way: Kubernetes kills after 30."""


def serve(
    path: Path,
    settings: Settings,
    *,
    host: str,
    port: int,
    on_ready: Callable[[str], None],
) -> None:
    """Serve until a signal comes.

    Args:
        path: of routes.json.
        on_ready: called with the address, once requests are taken.

    Raises:
        UsageError: the extra is not installed, a token or a port is missing, or the log must not
            be written.
        InputError: routes.json cannot be carried out, or names models that no upstream has; or the
            log cannot be written.
    """
    missing = [package for package in _PACKAGES if find_spec(package) is None]
    if missing:
        raise UsageError(f"serving takes {', '.join(missing)}: run `pip install 'routectl[serve]'`")
    if settings.token is None and not _is_loopback(host):
        raise UsageError(
            f"{host} can be reached from other machines, so set {TOKEN} to what clients shall send"
        )
    running = Running(path, require=partial(_require_settings, settings))
    try:
        decision_log = None
        if settings.log is not None:
            decision_log = DecisionLog(settings.log, path, with_prompts=settings.log_prompts)
        with _listening(host, port) as listener:
            import uvicorn

            from routectl.proxy.app import make_app
            from routectl.proxy.connections import Connection, raise_file_limit

            raise_file_limit()
            decider = Decider(
                running,
                settings.deadline,
                allow_client_threshold=settings.allow_client_threshold,
            )
            app = make_app(decider, settings, decision_log)
            config = uvicorn.Config(
                app,
                http=Connection,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
            logging.getLogger("uvicorn.error").addFilter(_is_news)
            running.watch()
            name = f"[{host}]" if ":" in host else host
            on_ready(f"http://{name}:{listener.getsockname()[1]}")
            uvicorn.Server(config).run(sockets=[listener])
    finally:
        running.close()


def _require_settings(settings: Settings, routes: Mapping[str, ActiveRoute]) -> None:
    """Refuse routes that these settings cannot carry out.

    Raises:
        InputError: a model has no endpoint, or the route of client thresholds is not there.
    """
    if settings.allow_client_threshold not in (None, *routes):
        raise InputError(
            f"--allow-client-threshold names the route {settings.allow_client_threshold!r}, "
            f"and the routes are {', '.join(routes)}"
        )
    if not settings.passes_on:
        return
    for name, route in routes.items():
        for model in _served_models(route.policy):
            if model is None:
                raise InputError(
                    f"the route {name!r} declares no models to pass requests on to: run `routectl "
                    "route set`, calibrate and activate it again, or leave --upstream out"
                )
            if settings.upstream_of(model) is None:
                raise InputError(
                    f"no --upstream has the model {model!r} of the route {name!r}: add --upstream "
                    "MODEL=URL for it, or --upstream URL for all others"
                )


def _served_models(policy: Policy) -> tuple[str | None, ...]:
    """The models that a policy can send a request to: an unconditional one has one."""
    if policy.rule == THRESHOLD:
        return policy.models
    return policy.models[:1] if policy.rule == ALWAYS_WEAK else policy.models[-1:]


def _is_news(record: logging.LogRecord) -> bool:
    """Of an answer that the upstream broke off the application has said so."""
    return "without completing response" not in record.getMessage()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise UsageError(
            f"{host} port {port} cannot be listened on ({reason}): name another --port or --host"
        ) from None
    # Connections inherit it. asyncio sets it only on sockets whose protocol is named, and without
    # it the body of an answer waits 40 ms for its head to be acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
