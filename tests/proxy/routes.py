"""Documents of routes, and the policies in them, for the tests of the proxy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from routectl.export import ActiveRoute, routes_document
from routectl.policy import PinnedRouter, Policy
from routectl.routers import open_router


def route(
    threshold: str = "0.5", *, router: str = "length", share: float | None = 0.3, **parts: Any
) -> ActiveRoute:
    """A live route between two models, with activation 7."""
    opened = open_router(router)
    fields: dict[str, Any] = {
        "models": ("small", "large"),
        "routers": (PinnedRouter(opened.spec, opened.identity.fingerprint),),
        "thresholds": (threshold,),
        "extraction_version": 2,
        "mode": "live",
        "route": "smart",
        "activation_id": 7,
    }
    return ActiveRoute(Policy(**{**fields, **parts}), share)


def write_routes(path: Path, **routes: ActiveRoute) -> Path:
    """A routes.json of these routes by name."""
    path.write_text(routes_document(routes), encoding="utf-8")
    return path
