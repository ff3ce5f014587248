"""`routectl history`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from routectl.cli import options
from routectl.cli.console import Console, percent, when


@click.command("history")
@click.option("--route", help="Only this route's activations.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Newest entries."
)
@options.database
@options.output
def command(route: str | None, limit: int, db: str, console: Console) -> None:
    """Show what was calibrated and what ran, newest first.

    \b
    Examples:
      routectl history
      routectl history --route smart --json
    """
    from routectl.cli.activation_table import to_json, what_runs
    from routectl.workflow.activating import history

    location = options.parse_database(db)
    console.database(location)
    log = history(location, route=route, limit=limit)
    if console.as_json:
        console.json(
            {
                "activations": [to_json(entry) for entry in log.activations],
                "calibrations": [
                    {
                        "calibration_id": c.id,
                        "created_at": c.created_at,
                        "router": c.router,
                        "fingerprint": c.fingerprint,
                        "strong_model": c.strong_model,
                        "weak_model": c.weak_model,
                        "scored_as": c.details.get("scored_as", {}),
                        "population": c.population,
                        "target": c.target,
                        "threshold": c.threshold,
                        "strong_fraction": c.strong_fraction,
                        "intervals": c.intervals,
                        "requests": c.requests,
                        "actor": c.actor,
                        "note": c.note,
                        "policy": None if c.policy is None else policy.to_json(),
                    }
                    for c, policy in log.calibrations
                ],
            }
        )
        return
    console.line("Activations (* runs now)")
    if log.activations:
        console.table(
            [
                (
                    f"{'*' if e.active else ' '}{e.id}",
                    when(e.created_at),
                    e.route,
                    what_runs(e) + (f" (back to {e.restores})" if e.restores else ""),
                    e.actor,
                    e.note or "",
                )
                for e in log.activations
            ],
            headers=["id", "time", "route", "runs", "actor", "note"],
        )
    else:
        console.line("none yet")
    console.line()
    console.line("Calibrations")
    if log.calibrations:
        console.table(
            [
                (
                    str(c.id),
                    when(c.created_at),
                    policy.config_string(),
                    target_text(c.target),
                    percent(c.strong_fraction, 2),
                    f"{c.requests:,}",
                    c.actor,
                    c.note or "",
                )
                for c, policy in log.calibrations
            ],
            headers=[
                "id",
                "time",
                "config string",
                "target",
                "strong",
                "requests",
                "actor",
                "note",
            ],
        )
    else:
        console.line("none yet")


def target_text(target: Mapping[str, Any]) -> str:
    """A stored target, as short as a column is."""
    share = percent(target["strong_fraction"])
    guarantee = target.get("guarantee")
    return share if guarantee is None else f"{share} (at {100 * guarantee:g} %)"
