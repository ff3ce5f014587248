"""The application of `routectl serve` in the process of a test, and a client of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from routectl.proxy import Decider, Running, Settings
from routectl.proxy.app import make_app
from routectl.proxy.decision_log import DecisionLog

Result = TypeVar("Result")


def with_app(
    routes: Path,
    work: Callable[[httpx2.AsyncClient], Awaitable[Result]],
    *,
    deadline: float | None = 60.0,
    **given: Any,
) -> Result:
    """What `work` makes of a client of the application.

    Args:
        given: as `Settings.from_environment` takes it.
    """
    usual: dict[str, Any] = {"upstreams": [], "max_body": 2**20, "max_concurrent": 100}
    settings = Settings.from_environment(deadline=deadline, **{**usual, **given})
    running = Running(routes)

    async def run() -> Result:
        log = None
        if settings.log is not None:
            log = DecisionLog(settings.log, routes, with_prompts=settings.log_prompts)
        allowed = settings.allow_client_threshold
        decider = Decider(running, settings.deadline, allow_client_threshold=allowed)
        app = make_app(decider, settings, log)
        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app=app)
            async with httpx2.AsyncClient(
                transport=transport,
                base_url="http://test",
                headers={"content-type": "application/json"},
            ) as client:
                return await work(client)

    try:
        return asyncio.run(run())
    finally:
        running.close()
