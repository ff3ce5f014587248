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
    from routectl.cli.activation_table import activation_ref, print_activated, to_json
    from routectl.cli.publishing import say_published
    from routectl.workflow.activating.run import roll_back
    from routectl.workflow.exporting.publishing import publish

    location = options.parse_database(db)
    console.database(location)
    done = roll_back(location, route=route, to=to, note=note)
    if not console.as_json:
        # Before the file is written: what is recorded is said, whatever comes of the file.
        print_activated(console, done)
    published = publish(location, done.route)
    if console.as_json:
        console.json(to_json(done, published))
    say_published(console, published, done.route, f"activation {activation_ref(done)} is recorded")
