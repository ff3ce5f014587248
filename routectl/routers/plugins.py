"""Routers of third-party packages, found by their entry points."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint, entry_points

ENTRY_POINT_GROUP = "routectl.routers"

BUILT_IN = ("mf", "sw_ranking", "bert", "causal_llm", "ensemble", "random", "length")

# RouteLLM splits `router-NAME-THRESHOLD` at "-", so a name cannot hold one.
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def package(name: str) -> str | None:
    """The package that a third-party router comes from; None for one of routectl's own."""
    entry = third_party().get(name)
    if entry is None:
        return None
    return entry.dist.name if entry.dist else entry.value


def third_party() -> dict[str, EntryPoint]:
    """The entry points by name; one whose name cannot be part of a config string is left out."""
    return {
        entry.name: entry
        for entry in entry_points(group=ENTRY_POINT_GROUP)
        if _NAME.fullmatch(entry.name) and entry.name not in BUILT_IN
    }
