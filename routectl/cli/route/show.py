"""`routectl route show`."""

from __future__ import annotations

import click

from routectl.cli import options
from routectl.cli.console import Console


@click.command("show")
@click.argument("name", required=False, metavar="[NAME]")
@options.database
@options.output
def command(name: str | None, db: str, console: Console) -> None:
    """Show a route: its models with their prices, its router, its population, what it runs.

    Without NAME, the only route there is.

    \b
    Example:
      routectl route show smart
    """
    from routectl.cli.route_table import print_route, view_json
    from routectl.workflow.routes.declaring import show_route

    location = options.parse_database(db)
    console.database(location)
    view = show_route(location, name)
    if console.as_json:
        console.json(view_json(view))
    else:
        print_route(console, view)
