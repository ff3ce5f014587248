"""`routectl route list`."""

from __future__ import annotations

import click

from routectl.cli import options
from routectl.cli.console import Console


@click.command("list")
@options.database
@options.output
def command(db: str, console: Console) -> None:
    """List the routes: their models, router and population, and which runs something.

    \b
    Example:
      routectl route list --json
    """
    from routectl.cli.route_table import print_routes, view_json
    from routectl.workflow.routes.declaring import list_routes

    location = options.parse_database(db)
    console.database(location)
    views = list_routes(location)
    if console.as_json:
        console.json([view_json(view) for view in views])
    else:
        print_routes(console, views)
