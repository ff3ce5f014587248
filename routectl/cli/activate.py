"""`routectl activate`."""

from __future__ import annotations

import click

from routectl.cli import options
from routectl.cli.console import Console


@click.command("activate")
@click.argument("calibration_id", required=False, type=click.IntRange(min=1), metavar="[ID]")
@options.route
@click.option("--always-strong", is_flag=True, help="Send every request to the strong model.")
@click.option("--always-weak", is_flag=True, help="Send every request to the weak model.")
@options.note
@options.database
@options.output
def command(
    calibration_id: int | None,
    route: str | None,
    always_strong: bool,
    always_weak: bool,
    note: str | None,
    db: str,
    console: Console,
) -> None:
    """Make a calibration what a route runs from now on.

    ID is a calibration of the route (`routectl history` lists them); without it, its newest.
    Nothing is overwritten: `routectl rollback` brings back what ran before.

    \b
    Examples:
      routectl activate --note "30 % strong, agreed with finance"
      routectl activate 3 --route smart
      routectl activate --always-weak --note "provider outage"
    """
    from routectl.cli.activation_table import to_json, to_sentence
    from routectl.errors import UsageError
    from routectl.workflow.activating import activate

    if always_strong + always_weak + (calibration_id is not None) > 1:
        raise UsageError("name one of ID, --always-strong and --always-weak")
    mode = "always_strong" if always_strong else "always_weak" if always_weak else "threshold"
    location = options.parse_database(db)
    console.database(location)
    done = activate(location, calibration_id=calibration_id, mode=mode, route=route, note=note)
    if console.as_json:
        console.json(to_json(done))
    else:
        console.line(to_sentence(done))
