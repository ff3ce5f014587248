"""What the baselines share: they know no models, embed nothing and read the whole prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from routectl.checkpoint import Checkpoint
from routectl.errors import RouterError
from routectl.records import RouterIdentity
from routectl.routers.protocol import OpenRouter, Router, RouterDescription, fingerprint


def open_baseline(
    saved: Checkpoint,
    summary: str,
    facts: Mapping[str, object],
    load: Callable[[RouterIdentity], Router],
) -> OpenRouter:
    """A baseline, ready to be loaded.

    Args:
        facts: what decides its scores; `router` is its name.
    """
    name = str(facts["router"])
    identity = RouterIdentity(name, fingerprint(facts), None, 0.0, facts)
    description = RouterDescription(
        name=name,
        kind=name,
        summary=summary,
        checkpoint=saved.folder,
        models=(),
        default_pair=None,
        embedder=None,
        reads="the whole prompt",
        licence=saved.licence,
        card=saved.card,
    )
    return OpenRouter(identity, description, lambda: load(identity))


def refuse_models(name: str, strong_model: str | None, weak_model: str | None) -> None:
    """Refuse a model pair for a baseline.

    Raises:
        RouterError: a model was asked for.
    """
    if strong_model is not None or weak_model is not None:
        raise RouterError(
            f"The router {name!r} knows no models, so it takes no strong or weak model; "
            "leave them out."
        )
