"""`routectl history`."""

from __future__ import annotations

import click

from routectl.cli import options
from routectl.cli.console import Console


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
    from routectl.cli import activation_table, calibration_list, route_table
    from routectl.workflow.activating.history import (
        history,
        listed_calibrations,
        recorded_calibrations,
    )

    location = options.parse_database(db)
    console.database(location)
    log = history(location, route=route, limit=limit)
    if console.as_json:
        from routectl.cli import calibration_table

        whole = recorded_calibrations(location, console, route=route, limit=limit)
        console.json(
            {
                "activations": [activation_table.to_json(entry) for entry in log.activations],
                "calibrations": [calibration_table.to_json(entry) for entry in whole],
                "route_changes": [route_table.change_json(entry) for entry in log.route_changes],
            }
        )
        return
    console.line("Activations (* runs now)")
    if log.activations:
        console.entries(
            ["id", "time (UTC)", "calibration", "runs", "route"],
            [activation_table.entry(activation) for activation in log.activations],
            flexible=4,
        )
    else:
        console.line("none yet")
    console.line()
    console.line("Calibrations")
    listed = listed_calibrations(location, console, route=route, limit=limit)
    if listed:
        console.entries(
            ["id", "time (UTC)", "target", "strong", "config string"],
            [calibration_list.entry(calibration) for calibration in listed],
            flexible=0,
        )
    else:
        console.line("none yet")
    if log.route_changes:
        console.line()
        route_table.print_changes(console, log.route_changes)
