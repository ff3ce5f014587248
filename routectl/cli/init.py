"""`routectl init`."""

from __future__ import annotations

import click

from routectl.cli import options
from routectl.cli.console import Console


@click.command("init")
@options.database
@options.output
def command(db: str, console: Console) -> None:
    """Make an empty database.

    `routectl import` makes one too, when there is none.

    \b
    Example:
      routectl init --db routectl.db
    """
    from routectl.workflow.databases import init

    location = options.parse_database(db)
    created = init(location)
    if console.as_json:
        console.json({"database": str(location), "created": created})
    elif created:
        console.line(f"Made a new database at {location}.")
    else:
        console.line(f"{location} is a routectl database already; nothing was changed.")
