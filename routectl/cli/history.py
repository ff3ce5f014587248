"""`routectl history`."""

from __future__ import annotations

import click

from routectl.cli import options
from routectl.cli.console import Console, percent, when


@click.command("history")
@click.option("--route", metavar="NAME", help="Only of this route.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Newest entries."
)
@options.database
@options.output
def command(route: str | None, limit: int, db: str, console: Console) -> None:
    """Show what was calibrated, what ran, and what was declared of routes, newest first.

    \b
    Examples:
      routectl history
      routectl history --route smart --json
    """
    from routectl.cli.activation_table import to_json, what_runs
    from routectl.cli.route_table import change_json, print_changes
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
                        "route": entry.route,
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
                        "policy": None if c.policy is None else entry.policy.to_json(),
                    }
                    for entry in log.calibrations
                    for c in (entry.row,)
                ],
                "route_changes": [change_json(entry) for entry in log.route_changes],
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
                    entry.policy.config_string(),
                    percent(c.target["strong_fraction"]),
                    percent(c.strong_fraction, 2),
                    f"{c.requests:,}",
                    c.actor,
                    c.note or "",
                )
                for entry in log.calibrations
                for c in (entry.row,)
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
    if log.route_changes:
        console.line()
        print_changes(console, log.route_changes)
