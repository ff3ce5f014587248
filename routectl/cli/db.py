"""`routectl db`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from routectl.cli import options
from routectl.cli.console import Console

if TYPE_CHECKING:
    from routectl.workflow.databases import Migration


@click.group("db")
def command() -> None:
    """Look at the database and change its schema.

    \b
    Example:
      routectl db status
    """


@command.command("status")
@options.database
@options.as_json
def status(db: str, as_json: bool) -> None:
    """Show the schema and how many rows there are.

    \b
    Example:
      routectl db status --db postgresql+psycopg://routectl@db/routectl
    """
    from routectl.workflow.databases import status

    console = Console(as_json=as_json)
    found = status(options.parse_database(db))
    if as_json:
        console.json(found)
        return
    console.table(
        [
            ("database", found.location),
            ("schema", f"{found.schema or 'none'} (newest {found.newest_schema})"),
            *((name, f"{count:,} rows") for name, count in found.rows.items()),
        ]
    )


@command.command("upgrade")
@options.database
@options.as_json
def upgrade(db: str, as_json: bool) -> None:
    """Bring the database to the newest schema. A SQLite file is copied first.

    \b
    Example:
      routectl db upgrade
    """
    from routectl.workflow.databases import upgrade

    _migrate(upgrade(options.parse_database(db)), as_json)


@command.command("downgrade")
@click.argument("target", metavar="VERSION")
@click.option("--yes", is_flag=True, help="Go down to base, which drops every table.")
@options.database
@options.as_json
def downgrade(target: str, yes: bool, db: str, as_json: bool) -> None:
    """Bring the database down to an older schema VERSION. A SQLite file is copied first.

    \b
    Example:
      routectl db downgrade 0001
    """
    from routectl.workflow.databases import downgrade

    _migrate(downgrade(options.parse_database(db), target, drop_everything=yes), as_json)


def _migrate(done: Migration, as_json: bool) -> None:
    console = Console(as_json=as_json)
    if done.backup is not None:
        console.note(f"the database as it was is in {done.backup}")
    if as_json:
        console.json(done)
    elif done.before == done.after:
        console.line(f"The schema is {done.after} already; nothing was changed.")
    else:
        console.line(f"The schema went from {done.before} to {done.after}.")
