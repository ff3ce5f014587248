"""`routectl status`."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import click

from routectl.cli import options
from routectl.cli.console import Console
from routectl.errors import UsageError


@click.command("status")
@click.option("--route", metavar="NAME", help="Only this route; without it, all.")
@click.option(
    "--max-age",
    "max_age_text",
    default="48h",
    show_default=True,
    metavar="SPAN",
    help="How old the newest request may be: a number with m, h, d or w.",
)
@click.option(
    "--prometheus",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write the figures as a text file for the textfile collector of node_exporter, which "
    "reads what ends in .prom.",
)
@options.force
@options.database
@options.output
@click.pass_context
def command(
    ctx: click.Context,
    route: str | None,
    max_age_text: str,
    prometheus: Path | None,
    force: bool,
    db: str,
    console: Console,
) -> None:
    """Say whether what runs still holds, one line a route.

    The columns: for how long it has run; the age of the newest request, and of the newest decision
    that the proxy logged; which part of the last requests has no score, and which is strong; US
    dollars of this month as booked, and which part of a budget the month will have cost; when the
    activation ends. Last requests are those of the 7 days up to the newest. No alarm looks at the
    share, because it leaves its interval by chance. Each whole day is looked at for drift once.

    Exits with 3, and says what to do, where drift rings (`routectl drift`), the month will cost
    more than the budget by more than days differ, an activation has expired, the newest request is
    older than --max-age, more than 1 % of the last requests have no score, the log names another
    activation than the active one, or more than 5 % of the last answered requests were not decided
    by the policy. A route that runs nothing is no reason. Nothing is scored: run
    `routectl score` before.

    \b
    Examples:
      routectl import 'logs/*.jsonl'; routectl score; routectl status
      routectl status --route smart --max-age 3d --json
      routectl status --prometheus /var/lib/node_exporter/routectl.prom
    """
    from routectl.cli.status_metrics import is_metrics, metrics
    from routectl.cli.status_table import print_status, to_json
    from routectl.workflow.watching.status import status

    location = options.parse_database(db)
    max_age = _span(max_age_text)
    output = options.checked_output(prometheus, "--prometheus", location, is_metrics, force=force)
    console.database(location)
    routes = status(location, route=route, max_age=max_age)
    if output is not None:
        output.write(metrics(routes).encode())
    if console.as_json:
        console.json([to_json(one) for one in routes])
    else:
        print_status(console, routes)
    if any(one.problems for one in routes):
        ctx.exit(3)


_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _span(text: str) -> timedelta:
    # Not by `traffic`, whose readers of logs take longer to import than the look at a week.
    span = re.fullmatch(r"\s*(\d{1,5})([mhdw])\s*", text)
    if span is None:
        raise UsageError(f"--max-age {text} is no span: write a number with m, h, d or w, like 48h")
    return timedelta(**{_UNITS[span[2]]: int(span[1])})
