"""`routectl diff`."""

from __future__ import annotations

import click

from routectl.cli import ids, options
from routectl.cli.console import Console
from routectl.records import IdKind


@click.command("diff")
@click.argument("before", type=ids.POLICY, metavar="ID")
@click.argument("after", type=ids.POLICY, metavar="ID")
@options.population
@options.database
@options.output
def command(
    before: tuple[IdKind, int],
    after: tuple[IdKind, int],
    where: tuple[str, ...],
    since: str | None,
    until: str | None,
    db: str,
    console: Console,
) -> None:
    """Say how many of last week's requests another threshold would send to another model.

    An ID is a calibration (c4) or an activation (a7), both of one route. Each request of the last
    seven days, up to the newest one that is stored, is decided by both with the scores that are
    stored; nothing is scored. Dollars are a month's, at the route's prices.

    \b
    Examples:
      routectl diff c4 c9
      routectl diff a7 c9 --since 30d --where team=web
    """
    from routectl.cli.diff_table import print_difference, to_json
    from routectl.workflow.activating.comparing import diff

    location = options.parse_database(db)
    window = options.parse_population(where, since, until)
    console.database(location)
    result = diff(location, before, after, window, console)
    if console.as_json:
        console.json(to_json(result))
    else:
        print_difference(console, result)
