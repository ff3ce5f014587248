"""How an activation is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routectl.cli.console import percent
from routectl.policy import THRESHOLD

if TYPE_CHECKING:
    from routectl.workflow.activating import Activated


def what_runs(entry: Activated) -> str:
    """What a route does with a request under this activation."""
    if entry.policy.rule != THRESHOLD:
        return entry.policy.rule.replace("_", "-")
    return entry.policy.config_string()


def to_sentence(entry: Activated) -> str:
    """An activation that was just made."""
    text = f"Route {entry.route} now runs {what_runs(entry)}"
    if entry.calibration is not None:
        fraction = percent(entry.calibration.strong_fraction)
        text += f" (calibration {entry.calibration.id}, {fraction} strong)"
    if entry.restores is not None:
        text += f", as in activation {entry.restores}"
    return f"{text}. Activation {entry.id} by {entry.actor}."


def to_json(entry: Activated) -> dict[str, object]:
    """An activation for programs."""
    return {
        "activation_id": entry.id,
        "route": entry.route,
        "mode": entry.policy.rule,
        "runs": what_runs(entry),
        "calibration_id": None if entry.calibration is None else entry.calibration.id,
        "restores": entry.restores,
        "actor": entry.actor,
        "note": entry.note,
        "created_at": entry.created_at,
        "active": entry.active,
        "policy": entry.policy.to_json() if entry.recorded else None,
    }
