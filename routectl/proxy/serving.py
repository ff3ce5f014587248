"""`routectl serve`: the decision over HTTP, and requests passed on to the model of their route."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from routectl.errors import InputError, UsageError
from routectl.proxy.decider import Decider
from routectl.proxy.running import Running

TOKEN, UPSTREAM_KEY = "ROUTECTL_TOKEN", "ROUTECTL_UPSTREAM_KEY"
_PACKAGES = ("starlette", "uvicorn", "httpx2", "prometheus_client")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How requests are taken and passed on."""

    upstream: str | None
    """Address of an OpenAI-compatible endpoint, without a slash at its end; None: only decide."""
    deadline: float | None
    """Seconds to wait for a score; None is three times what a long prompt takes."""
    max_body: int
    """Bytes."""
    max_concurrent: int
    token: str | None = field(repr=False)
    """What clients send as a bearer token; None takes all of them."""
    upstream_key: str | None = field(repr=False)

    @classmethod
    def from_environment(
        cls, *, upstream: str | None, deadline: float | None, max_body: int, max_concurrent: int
    ) -> Settings:
        """Settings with the secrets that the environment holds.

        Raises:
            UsageError: the upstream's address is none, or holds a password.
        """
        return cls(
            upstream=None if upstream is None else _address(upstream),
            deadline=deadline,
            max_body=max_body,
            max_concurrent=max_concurrent,
            token=os.environ.get(TOKEN) or None,
            upstream_key=os.environ.get(UPSTREAM_KEY) or None,
        )


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        port_is_good = parts.port != 0
    except ValueError:
        port_is_good = False
    # The address is not repeated: what precedes an @ may be a key.
    if not port_is_good or parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("--upstream takes an address such as https://HOST/v1")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(f"--upstream takes an address alone: the key goes into {UPSTREAM_KEY}")
    return text.rstrip("/")


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
        UsageError: the extra is not installed, or a token or a port is missing.
        InputError: routes.json cannot be carried out, or names no models to pass requests on to.
    """
    missing = [package for package in _PACKAGES if find_spec(package) is None]
    if missing:
        raise UsageError(f"serving takes {', '.join(missing)}: run `pip install 'routectl[serve]'`")
    if settings.token is None and not _is_loopback(host):
        raise UsageError(
            f"{host} can be reached from other machines, so set {TOKEN} to what clients shall send"
        )
    running = Running(path)
    try:
        if settings.upstream is not None:
            _require_models(running)
        with _listening(host, port) as listener:
            import uvicorn

            from routectl.proxy.app import make_app

            app = make_app(Decider(running, settings.deadline), settings)
            config = uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                limit_concurrency=settings.max_concurrent,
                server_header=False,
                timeout_graceful_shutdown=10,
            )
            running.watch()
            name = f"[{host}]" if ":" in host else host
            on_ready(f"http://{name}:{listener.getsockname()[1]}")
            uvicorn.Server(config).run(sockets=[listener])
    finally:
        running.close()


def _require_models(running: Running) -> None:
    for name, route in running.routes.items():
        if None in route.active.policy.models:
            raise InputError(
                f"the route {name!r} declares no models to pass requests on to: run `routectl "
                "route set`, calibrate and activate it again, or leave --upstream out"
            )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise UsageError(
            f"{host} port {port} cannot be listened on ({reason}): name another --port or --host"
        ) from None
