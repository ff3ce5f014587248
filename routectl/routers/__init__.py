"""Routers: prompts in, strong win rates out. Importing this package loads no model library."""

from routectl.routers.guarding import checked_scores, guarded
from routectl.routers.plugins import ENTRY_POINT_GROUP
from routectl.routers.protocol import OpenRouter, Router, RouterDescription
from routectl.routers.registry import names, open_pinned, open_router, open_spec

__all__ = [
    "ENTRY_POINT_GROUP",
    "OpenRouter",
    "Router",
    "RouterDescription",
    "checked_scores",
    "guarded",
    "names",
    "open_pinned",
    "open_router",
    "open_spec",
]
