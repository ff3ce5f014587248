"""How an activation is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routectl.cli.console import minute, percent
from routectl.cli.policy_text import by_whom, checkpoint_words, filters_text, runs_text
from routectl.records import IdKind

if TYPE_CHECKING:
    from routectl.workflow.activating import Activated


def to_sentence(activated: Activated) -> str:
    """An activation that was just made."""
    text = f"Route {activated.route} now runs {runs_text(activated.policy)}"
    if activated.calibration is not None:
        fraction = percent(activated.calibration.strong_fraction)
        text += f" ({IdKind.CALIBRATION.ref(activated.calibration.id)}, {fraction} strong)"
    if activated.restores is not None:
        text += f", as in {IdKind.ACTIVATION.ref(activated.restores)}"
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
    details.append(by_whom(activated.actor, activated.note))
    return cells, "; ".join(details)


def to_json(activated: Activated) -> dict[str, object]:
    """An activation for programs."""
    calibration = activated.calibration
    return {
        "activation_id": activated.id,
        "route": activated.route,
        "mode": activated.policy.rule,
        "runs": runs_text(activated.policy),
        "calibration_id": None if calibration is None else calibration.id,
        "restores": activated.restores,
        "actor": activated.actor,
        "note": activated.note,
        "created_at": activated.created_at,
        "active": activated.active,
        "policy": activated.policy.to_json() if activated.recorded else None,
    }
