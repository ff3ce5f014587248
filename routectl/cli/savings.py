"""`routectl savings`."""

from __future__ import annotations

import click

from routectl.cli import options
from routectl.cli.console import Console


@click.command("savings")
@options.route
@options.population
@options.database
@options.output
def command(
    route: str | None,
    where: tuple[str, ...],
    since: str | None,
    until: str | None,
    db: str,
    console: Console,
) -> None:
    """Say what routing has saved: by the decisions and costs that the proxy logged.

    Shows the actual cost, what the calibration projected, and what the same requests would cost
    with the strong or the weak model alone, at the route's prices and with the tokens that were
    logged. Of the thirty days up to the newest stored request, unless --since says otherwise.

    \b
    Examples:
      routectl savings
      routectl savings --since 7d --route smart --json
    """
    from routectl.cli.savings_table import print_savings, to_json
    from routectl.workflow.watching.saving import savings

    location = options.parse_database(db)
    window = options.parse_population(where, since, until)
    console.database(location)
    result = savings(location, route, window, console)
    if console.as_json:
        console.json(to_json(result))
    else:
        print_savings(console, result)
