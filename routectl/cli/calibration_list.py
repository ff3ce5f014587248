"""How a calibration is listed in the history; the whole of one loads more than a list needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routectl.cli import targets
from routectl.cli.console import minute, percent
from routectl.cli.policy_text import by_whom, checkpoint_words, filters_text, runs_text
from routectl.records import IdKind

if TYPE_CHECKING:
    from routectl.workflow.activating.history import ListedCalibration


def entry(result: ListedCalibration) -> tuple[tuple[str, ...], str]:
    """A calibration in a list: its cells, and its details."""
    cells = (
        IdKind.CALIBRATION.ref(result.id),
        minute(result.created_at),
        targets.brief(result.target),
        percent(result.strong_fraction, 2),
        runs_text(result.policy),
    )
    details = [
        f"{result.requests:,} requests of {filters_text(result.population)}",
        f"route {result.route}",
        *checkpoint_words(result.policy),
        by_whom(result.actor, result.note),
    ]
    return cells, "; ".join(details)
