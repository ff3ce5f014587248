"""`routectl traffic`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from routectl.cli import options
from routectl.cli.console import Console, percent, when
from routectl.cli.policy_text import filters_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from routectl.workflow.traffic.overview import Traffic

SHOWN = 10
"""Values of a field that the table has a row for."""


@click.command("traffic")
@options.population
@options.database
@options.output
def command(
    where: tuple[str, ...], since: str | None, until: str | None, db: str, console: Console
) -> None:
    """Say what requests the database holds: from when to when, whose, and what was left out.

    A request of a sample counts for those that it stands for. --json has every value of each
    field; the table has the ten that most requests have.

    \b
    Examples:
      routectl traffic
      routectl traffic --where team=search --since 7d
    """
    from routectl.workflow.traffic.overview import traffic

    location = options.parse_database(db)
    population = options.parse_population(where, since, until)
    console.database(location)
    held = traffic(location, population, console)
    if console.as_json:
        console.json(held)
    else:
        _print(console, held)


def _print(console: Console, held: Traffic) -> None:
    console.table(
        [
            ("population", filters_text(held.population)),
            ("requests", _count(held)),
            ("prompts", f"{held.prompts:,} distinct"),
            ("first", when(held.first)),
            ("last", when(held.last)),
            ("imports", f"{held.samples:,}"),
        ]
    )
    for name, weights in (
        ("model group", held.by_model_group),
        ("team", held.by_team),
        ("model", held.by_model),
    ):
        console.line()
        _print_weights(console, name, weights, held.weight)
    console.line()
    remarks = {name.replace("_", " "): weight for name, weight in held.remarks.items()}
    _print_weights(console, "of these", remarks, held.weight)


def _count(held: Traffic) -> str:
    if round(held.weight) == held.requests:
        return f"{held.requests:,}"
    return f"{held.requests:,} rows, standing for {held.weight:,.0f} requests"


def _print_weights(
    console: Console,
    name: str,
    weights: Mapping[str | None, float] | Mapping[str, float],
    total: float,
) -> None:
    """Weight by value as a table, the largest first; what is not named is one row."""
    rows = [("(none)" if value is None else value, weight) for value, weight in weights.items()]
    if len(rows) > SHOWN:
        rest = rows[SHOWN:]
        rows = [*rows[:SHOWN], (f"({len(rest):,} more)", sum(weight for _, weight in rest))]
    console.table(
        [(value, f"{weight:,.0f}", percent(weight / total)) for value, weight in rows],
        headers=[name, "requests", "share"],
        wrapped=(0,),
    )
