"""`routectl drift`."""

from __future__ import annotations

import click

from routectl.cli import options
from routectl.cli.console import Console


@click.command("drift")
@click.option("--route", metavar="NAME", help="Only this route; without it, all.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=14, show_default=True, help="Newest looks."
)
@options.database
@options.output
@click.pass_context
def command(ctx: click.Context, route: str | None, limit: int, db: str, console: Console) -> None:
    """Show whether the traffic still is as it was calibrated.

    `routectl status` looks at each whole day (UTC) once, and keeps the look; this shows them. An
    alarm rings where its e-value reaches 21,840: by chance, all three of a route together do in at
    most 5 % of years, however often somebody looks. Traffic: the share has moved by more than the
    margin, which is --drift-tolerance of the route, or what the calibration's own days cannot tell.
    Proxy: it decides prompts otherwise than stored score and policy. Fallback: more than 1 % of the
    requests are not scored in time. Both are looked at where the log has the proxy's decisions.

    Exits with 3 where an alarm rings.

    \b
    Examples:
      routectl drift
      routectl drift --route smart --limit 30 --json
    """
    from routectl.cli.drift_table import print_drift, to_json
    from routectl.workflow.drifting import drift

    location = options.parse_database(db)
    console.database(location)
    reports = drift(location, route=route)
    if console.as_json:
        console.json([to_json(report) for report in reports])
    else:
        print_drift(console, reports, limit)
    if any(report.drift is not None and report.drift.ringing for report in reports):
        ctx.exit(3)
