"""Checkpoints in the layouts that RouteLLM published, one module for each of its routers."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from routectl.routers.published.folder import has_published_battles, is_published, locate

if TYPE_CHECKING:
    from routectl.routers.protocol import OpenRouter

__all__ = ["locate", "open_published"]

_TELLS = {
    "mf": is_published,
    "sw_ranking": has_published_battles,
    "bert": is_published,
    "causal_llm": is_published,
}
"""How a published folder is told from a checkpoint of routectl's own, by router."""


def open_published(
    router: str, folder: Path, strong_model: str | None, weak_model: str | None
) -> OpenRouter | None:
    """Open a folder in the published layout; None where it is of no such layout.

    Raises:
        RouterError: the checkpoint does not know a model.
        CheckpointError: it is damaged.
        InputError: a published battle cannot be read.
        UsageError: `OPENAI_BASE_URL` is no address.
    """
    if router not in _TELLS or not _TELLS[router](folder):
        return None
    layout = import_module(f"{__name__}.{router}")
    opened: OpenRouter = layout.open_published(folder, strong_model, weak_model)
    return opened
