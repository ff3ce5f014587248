"""`routectl route rename`."""

from __future__ import annotations

import click

from routectl.cli import options
from routectl.cli.console import Console


@click.command("rename")
@click.argument("old", metavar="NAME")
@click.argument("new", metavar="NEW")
@options.note
@options.database
@options.output
def command(old: str, new: str, note: str | None, db: str, console: Console) -> None:
    """Give the route NAME the name NEW. What it runs, and its calibrations, stay its own.

    \b
    Example:
      routectl route rename default smart
    """
    from routectl.cli.publishing import published_json, say_published
    from routectl.workflow.exporting.publishing import publish
    from routectl.workflow.routes.declaring import rename_route

    location = options.parse_database(db)
    console.database(location)
    renamed = rename_route(location, old, new, note=note)
    published = publish(location, new) if renamed else None
    if console.as_json:
        console.json(
            {"was": old, "now": new, "changed": renamed, "published": published_json(published)}
        )
    elif renamed:
        console.line(f"Route {old} is now {new}.")
    else:
        console.line(f"Nothing changes: the route is named {old} already.")
    say_published(console, published, new, f"the route is named {new}")
    if published is not None and published.routes:
        console.note(f"clients and the proxy's own configuration must call it {new}, too")
