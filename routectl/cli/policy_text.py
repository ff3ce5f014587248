"""A policy, and the filters of a population, in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from routectl.cli.console import when
from routectl.errors import RoutectlError
from routectl.policy import LIVE, REQUEST, THRESHOLD, Policy

NO_ROUTES = "No routes yet: `routectl route set NAME --strong MODEL --weak MODEL` declares one."


def runs_text(policy: Policy) -> str:
    """What becomes of a request: a config string or what none can say, always-strong or
    always-weak."""
    if policy.rule != THRESHOLD:
        return policy.rule.replace("_", "-")
    try:
        return policy.config_string()
    except RoutectlError:
        return _beyond_a_config_string(policy)


def config_string_of(policy: Policy) -> str | None:
    """The policy's config string; None where none can say it."""
    try:
        return policy.config_string()
    except RoutectlError:
        return None


def _beyond_a_config_string(policy: Policy) -> str:
    parts = [policy.routers[0].spec.name, *policy.thresholds]
    if policy.segments:
        parts.append(f"and {segment_count(policy.segment_field, len(policy.segments))}")
    if policy.unit != REQUEST:
        parts.append(f"by {policy.unit}")
    return " ".join(parts)


def segment_word(field: str | None) -> str:
    """What segments are values of, as a word."""
    return (field or "segment").replace("_", " ")


def segment_count(field: str | None, count: int) -> str:
    """So many segments, by what they are values of."""
    word = segment_word(field)
    plural = f"{word}es" if word.endswith("s") else f"{word}s"
    return f"{count:,} {word if count == 1 else plural}"


def segments_text(policy: Policy) -> str:
    """The segments' thresholds, and the field that they are values of."""
    if not policy.segments:
        return "-"
    texts = [f"{name} {' '.join(texts)}" for name, texts in policy.segments.items()]
    return f"by {policy.segment_field or 'name'}: {', '.join(texts)}"


def mode_text(policy: Policy) -> str:
    """live, shadow, or a canary with its share in percent."""
    kind, _, share = (policy.mode or LIVE).partition("=")
    return f"{kind} {(Decimal(share) * 100).normalize():f} %" if share else kind


def checkpoint_words(policy: Policy) -> list[str]:
    """The checkpoint of the router, of a folder its name alone; empty where none is recorded."""
    checkpoint = policy.routers[0].spec.checkpoint if policy.routers else None
    return [] if checkpoint is None else [f"checkpoint {Path(checkpoint).name}"]


def router_text(policy: Policy) -> str:
    """Name, checkpoint and fingerprint of a policy's router."""
    pinned = policy.routers[0]
    checkpoint = pinned.spec.checkpoint
    named = "" if checkpoint is None else f", checkpoint {checkpoint}"
    return f"{pinned.spec.name}{named}, fingerprint {pinned.fingerprint[:12]}"


def filters_text(population: Mapping[str, Any]) -> str:
    """The filters of a population, as its record writes them."""
    parts = [str(condition) for condition in population.get("where", [])]
    parts += [
        f"{name} {when(datetime.fromisoformat(population[name]))}"
        for name in ("since", "until")
        if population.get(name) is not None
    ]
    text = ", ".join(parts) or "all requests"
    routed = population.get("routed")
    if routed is not None:
        since = when(datetime.fromisoformat(routed["since"]))
        text += f"; from {since} on, as the log says, those of route {routed['names'][0]} alone"
    return text


def by_whom(actor: str, note: str | None) -> str:
    """Who did it, and why."""
    return f"by {actor}: {note}" if note else f"by {actor}"
