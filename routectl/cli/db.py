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
@options.output
def status(db: str, console: Console) -> None:
    """Show the schema and how many rows there are.

    \b
    Example:
      routectl db status --db postgresql+psycopg://routectl@db/routectl
    """
    from routectl.workflow.databases import status

    database = status(options.parse_database(db))
    if console.as_json:
        console.json(database)
        return
    console.table(
        [
            ("database", database.location),
            ("schema", f"{database.schema or 'none'} (newest {database.newest_schema})"),
            *((name, f"{count:,} rows") for name, count in database.rows.items()),
        ]
    )


@command.command("upgrade")
@options.database
@options.output
def upgrade(db: str, console: Console) -> None:
    """Bring the database to the newest schema. A SQLite file is copied first.

    \b
    Example:
      routectl db upgrade
    """
    from routectl.workflow.databases import upgrade

    _migrate(upgrade(options.parse_database(db)), console)


@command.command("downgrade")
@click.argument("target", metavar="VERSION")
@click.option("--yes", is_flag=True, help="Go down to base, which drops every table.")
@options.database
@options.output
def downgrade(target: str, yes: bool, db: str, console: Console) -> None:
    """Bring the database down to an older schema VERSION. A SQLite file is copied first.

    \b
    Example:
      routectl db downgrade 0001
    """
    from routectl.workflow.databases import downgrade

    _migrate(downgrade(options.parse_database(db), target, drop_everything=yes), console)


def _migrate(migration: Migration, console: Console) -> None:
    if migration.backup is not None:
        console.note(f"the database as it was is in {migration.backup}")
    if console.as_json:
        console.json(migration)
    elif migration.before == migration.after:
        console.line(f"The schema is {migration.after} already; nothing was changed.")
    else:
        console.line(f"The schema went from {migration.before} to {migration.after}.")
