"""`routectl route remove`."""

from __future__ import annotations

import click

from routectl.cli import options
from routectl.cli.console import Console


@click.command("remove")
@click.argument("name", metavar="NAME")
@options.note
@options.database
@options.output
def command(name: str, note: str | None, db: str, console: Console) -> None:
    """Take the route NAME out of use. Its calibrations stay; its name may be used again.

    A route that runs something is not removed.

    \b
    Example:
      routectl route remove trial --note "it was a trial"
    """
    from routectl.workflow.routes.declaring import remove_route

    location = options.parse_database(db)
    console.database(location)
    remove_route(location, name, note=note)
    if console.as_json:
        console.json({"route": name, "removed": True})
    else:
        console.line(f"Route {name} is removed.")
