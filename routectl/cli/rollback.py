"""`routectl rollback`."""

from __future__ import annotations

import click

from routectl.cli import ids, options
from routectl.cli.console import Console


@click.command("rollback")
@options.route
@click.option(
    "--to",
    type=ids.ACTIVATION,
    metavar="ID",
    help="Activation to bring back; without it, what ran before the one that runs now.",
)
@options.note
@options.database
@options.output
def command(route: str | None, to: int | None, note: str | None, db: str, console: Console) -> None:
    """Bring back what a route ran before.

    A rollback always walks back: a second one goes one step further, not forward again. It is
    one more row in the history, with its actor and time.

    \b
    Examples:
      routectl rollback --note "too many weak answers"
      routectl rollback --route smart --to a4
    """
    from routectl.cli.activation_table import print_activated, to_json
    from routectl.workflow.activating import roll_back

    location = options.parse_database(db)
    console.database(location)
    done = roll_back(location, route=route, to=to, note=note)
    if console.as_json:
        console.json(to_json(done))
    else:
        print_activated(console, done)
