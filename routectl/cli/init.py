"""`routectl init`."""

from __future__ import annotations

import click

from routectl.cli import options
from routectl.cli.console import Console


@click.command("init")
@options.database
@options.as_json
def command(db: str, as_json: bool) -> None:
    """Make an empty database.

    `routectl import` makes one too, when there is none.

    \b
    Example:
      routectl init --db routectl.db
    """
    from routectl.workflow.databases import init

    location = options.parse_database(db)
    console = Console(as_json=as_json)
    created = init(location)
    if as_json:
        console.json({"database": str(location), "created": created})
    elif created:
        console.line(f"Made a new database at {location}.")
    else:
        console.line(f"{location} is a routectl database already; nothing was changed.")
