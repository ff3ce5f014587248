"""How an activation is shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from routectl.cli.console import Console, minute, percent
from routectl.cli.policy_text import (
    by_whom,
    checkpoint_words,
    filters_text,
    mode_text,
    runs_text,
    segments_text,
)
from routectl.cli.publishing import published_json
from routectl.policy import LIVE, THRESHOLD
from routectl.records import IdKind

if TYPE_CHECKING:
    from routectl.workflow.exporting.publishing import Published
    from routectl.workflow.policies.activated import Activated


def print_activated(console: Console, activated: Activated) -> None:
    """An activation that was just made, and what changes by it."""
    was = activated.was
    if not activated.appended:
        console.line(
            f"Nothing changes, so nothing was added: route {activated.route} runs "
            f"{runs_text(activated.policy)} already, since {IdKind.ACTIVATION.ref(activated.id)}"
            f"{_until(activated)}."
        )
        return
    if activated.nothing_changes and was is not None:
        console.line(
            f"Nothing changes: route {activated.route} runs {runs_text(activated.policy)} already, "
            f"since {IdKind.ACTIVATION.ref(was.id)}. Activation "
            f"{IdKind.ACTIVATION.ref(activated.id)} by {activated.actor}."
        )
        return
    console.line(to_sentence(activated))
    changed = changes(activated)
    if changed and was is not None:
        console.line()
        console.table(
            [(name, before, "->", now) for name, (before, now) in changed.items()],
            headers=["", "was", "", "now"],
            wrapped=(1, 3),
        )


def activation_ref(activated: Activated) -> str:
    """Its id as people type it."""
    return IdKind.ACTIVATION.ref(activated.id)


def expiry_text(expires_at: datetime, now: datetime) -> str:
    """When an activation expires, or expired."""
    return f"{'expires' if expires_at > now else 'expired'} {minute(expires_at)} UTC"


def _until(activated: Activated) -> str:
    if activated.expires_at is None:
        return ""
    return f" ({expiry_text(activated.expires_at, datetime.now(UTC))})"


def changes(activated: Activated) -> dict[str, tuple[str, str]]:
    """What is otherwise than before: name -> what it was, and what it is now."""
    if activated.was is None:
        return {}
    before, now = _facts(activated.was), _facts(activated)
    return {name: (before[name], now[name]) for name in now if before[name] != now[name]}


def _facts(activated: Activated) -> dict[str, str]:
    calibration, policy = activated.calibration, activated.policy
    router = policy.routers[0] if policy.routers and policy.rule == THRESHOLD else None
    limits = "; ".join(f"{model}: {text}" for model, text in policy.limits.items())
    return {
        "runs": runs_text(policy),
        "calibration": IdKind.CALIBRATION.ref(activated.calibration_id),
        "threshold": policy.thresholds[0] if policy.thresholds else "-",
        "segments": segments_text(policy),
        "unit": policy.unit,
        "models": ", ".join(model or "-" for model in policy.models) or "-",
        "limits": limits or "-",
        "strong": percent(activated.strong_fraction),
        "router": "-" if router is None else router.spec.name,
        "checkpoint": (None if router is None else router.spec.checkpoint) or "-",
        "fingerprint": "-" if router is None else router.fingerprint[:12],
        "filters": "-" if calibration is None else filters_text(calibration.population),
        "mode": mode_text(policy),
        "fallback": policy.fallback or "-",
        "expires": "-" if activated.expires_at is None else f"{minute(activated.expires_at)} UTC",
    }


def to_sentence(activated: Activated) -> str:
    """An activation that was just made."""
    text = f"Route {activated.route} now runs {runs_text(activated.policy)}"
    if activated.calibration is not None:
        fraction = percent(activated.calibration.strong_fraction)
        text += f" ({IdKind.CALIBRATION.ref(activated.calibration.id)}, {fraction} strong)"
    if activated.policy.mode not in (None, LIVE):
        text += f", in mode {mode_text(activated.policy)}"
    if activated.restores is not None:
        text += f", as in {IdKind.ACTIVATION.ref(activated.restores)}"
    if activated.expires_at is not None:
        text += f", {expiry_text(activated.expires_at, datetime.now(UTC))}"
    return f"{text}. Activation {IdKind.ACTIVATION.ref(activated.id)} by {activated.actor}."


def entry(activated: Activated) -> tuple[tuple[str, ...], str]:
    """An activation in a list: its cells, and its details."""
    calibration, policy = activated.calibration, activated.policy
    cells = (
        f"{'*' if activated.active else ' '}{IdKind.ACTIVATION.ref(activated.id)}",
        minute(activated.created_at),
        "-" if calibration is None else IdKind.CALIBRATION.ref(calibration.id),
        runs_text(policy),
        activated.route,
    )
    details: list[str] = []
    if activated.restores is not None:
        details.append(f"back to {IdKind.ACTIVATION.ref(activated.restores)}")
    if calibration is not None:
        details.append(filters_text(calibration.population))
        details += checkpoint_words(policy)
    if policy.mode not in (None, LIVE):
        details.append(f"mode {mode_text(policy)}")
    if policy.fallback is not None:
        details.append(f"fallback {policy.fallback}")
    if activated.expires_at is not None:
        details.append(expiry_text(activated.expires_at, datetime.now(UTC)))
    details.append(by_whom(activated.actor, activated.note))
    return cells, "; ".join(details)


def to_json(activated: Activated, published: Published | None = None) -> dict[str, object]:
    """An activation for programs, and what was written for proxies when it was made."""
    return {
        "activation_id": activated.id,
        "route": activated.route,
        "mode": activated.policy.rule,
        "runs": runs_text(activated.policy),
        "calibration_id": activated.calibration_id,
        "restores": activated.restores,
        "actor": activated.actor,
        "note": activated.note,
        "created_at": activated.created_at,
        "active": activated.active,
        "policy_mode": activated.policy.mode,
        "fallback": activated.policy.fallback,
        "expires_at": activated.expires_at,
        "changes": {
            name: {"was": was, "now": now} for name, (was, now) in changes(activated).items()
        },
        "policy": activated.policy.to_json() if activated.recorded else None,
        "published": published_json(published),
    }
