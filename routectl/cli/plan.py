"""`routectl plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from routectl.cli import options
from routectl.cli.console import Console, dollar_range, dollars, percent, percent_range

if TYPE_CHECKING:
    from routectl.calibration import CutFigures
    from routectl.workflow.calibrating.planning import Plan
    from routectl.workflow.calibrating.pricing import Interval, Month


@click.command("plan")
@click.option(
    "--step",
    type=click.IntRange(min=1, max=50),
    default=10,
    show_default=True,
    metavar="POINTS",
    help="Points between two strong fractions: 1, 2, 4, 5, 10, 20, 25 or 50.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw it, as .png or .svg (takes 'routectl[plots]').",
)
@options.route
@options.routers
@options.population
@options.confidence
@options.price
@options.database
@options.output
def command(
    step: int,
    plot: Path | None,
    route: str | None,
    router_names: tuple[str, ...],
    strong_model: str | None,
    weak_model: str | None,
    scored_as: tuple[str, ...],
    where: tuple[str, ...],
    since: str | None,
    until: str | None,
    confidence: float,
    price_texts: tuple[str, ...],
    db: str,
    console: Console,
) -> None:
    """Show what each strong fraction costs a month, saves, and is worth.

    Records nothing; scores what is not scored yet. Money is of the route's models, quality of the
    newest evaluation of this router (`routectl label` makes one on your traffic).

    \b
    Examples:
      routectl plan
      routectl plan --step 5 --plot plan.png
      routectl plan --route smart --since 28d --json
    """
    from routectl.prices import parse_prices
    from routectl.workflow.calibrating.planning import draw, plan, plot_output
    from routectl.workflow.calibrating.run import Question, StrongFraction
    from routectl.workflow.routes.in_use import route_in_use

    location = options.parse_database(db)
    given = options.parse_population(where, since, until)
    in_use = route_in_use(location, route)
    output = None if plot is None else plot_output(plot, location)
    routers = options.open_routers(
        router_names or in_use.router_texts, strong_model, weak_model, scored_as
    )
    question = Question(
        target=StrongFraction(0.0),
        route=in_use,
        population=in_use.population(given),
        confidence=confidence,
        next_requests=1,
        note=None,
        prices=parse_prices(price_texts),
    )
    console.database(location)
    planned = plan(location, routers, question, console, step=step)
    if console.as_json:
        console.json(planned.to_json())
    else:
        _print(console, planned)
    if output is not None:
        draw(planned, output)


def _print(console: Console, planned: Plan) -> None:
    rows = planned.figures
    has_money = any(row.month is not None for row in rows)
    has_quality = planned.evaluated is not None
    headers = ["strong", "threshold", "long run"]
    columns = [
        [percent(row.cut.strong_fraction) for row in rows],
        [row.cut.threshold for row in rows],
        [_share(row.long_run) for row in rows],
    ]
    if has_money:
        headers += ["USD a month", "saved", "", "long-run saving"]
        months = [row.month for row in rows]
        columns += [
            dollars([None if month is None else month.this_threshold for month in months]),
            dollars([None if month is None else month.saved for month in months]),
            [percent(None if month is None else month.saved_share) for month in months],
            [_saving(row.month) for row in rows],
        ]
    if has_quality:
        headers.append("quality")
        columns.append([_quality(row) for row in rows])
    console.table(list(zip(*columns, strict=True)), headers=headers)
    console.line()
    months_seen = [row.month for row in rows if row.month is not None]
    if months_seen:
        month = months_seen[0]
        console.line(
            f"{month.requests:,.0f} requests in 30 days, as in the log; saved against always "
            f"{planned.strong} ({month.always_strong:,.2f} USD a month)."
        )
    else:
        console.line(f"No money: {planned.no_month}.")
    if planned.suggestion is not None:
        console.line(planned.suggestion)
    evaluated = planned.evaluated
    if evaluated is None:
        console.line("Quality is not measured on your traffic; `routectl label` does.")
    else:
        where = "your traffic" if evaluated.on_traffic else evaluated.benchmark
        console.line(f"Quality: evaluation e{evaluated.evaluation_id} on {where}.")
    console.line(f"Ranges are {100 * planned.confidence:g} % intervals.")


def _share(interval: Interval | None) -> str:
    return "-" if interval is None else percent_range(interval.low, interval.high)


def _saving(month: Month | None) -> str:
    interval = None if month is None else month.saving_interval
    return "-" if interval is None else dollar_range(interval.low, interval.high)


def _quality(row: CutFigures) -> str:
    interval = row.quality_interval
    if row.quality is None or interval is None:
        return "-"
    return f"{row.quality:.3f} +-{(interval.high - interval.low) / 2:.3f}"
