"""`routectl calibrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from routectl.cli import options, targets
from routectl.cli.console import Console, percent
from routectl.cli.segment_table import segment_shares
from routectl.errors import CheckFailed
from routectl.policy import REQUEST, SEGMENT_FIELDS, UNITS

if TYPE_CHECKING:
    from routectl.workflow.calibrating.recorded import RecordedCalibration
    from routectl.workflow.calibrating.run import Target


@click.command("calibrate")
@targets.target
@click.option(
    "--by",
    type=click.Choice(SEGMENT_FIELDS),
    metavar="FIELD",
    help="The same target within each team, key_alias or model_group, with a threshold of its own; "
    "small ones share one.",
)
@click.option(
    "--unit",
    type=click.Choice(UNITS),
    default=REQUEST,
    show_default=True,
    help="What is decided at once: of a conversation the first human text, and the rest follows.",
)
@options.route
@options.routers
@options.population
@options.confidence
@click.option(
    "--next",
    "next_requests",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="N",
    help="State the range for the next N requests.",
)
@options.price
@click.option(
    "--dry-run",
    is_flag=True,
    help="Record no calibration. Scores are kept, so that the next run is quick.",
)
@options.note
@options.database
@options.output
def command(
    target: Target,
    by: str | None,
    unit: str,
    route: str | None,
    router_names: tuple[str, ...],
    strong_model: str | None,
    weak_model: str | None,
    scored_as: tuple[str, ...],
    where: tuple[str, ...],
    since: str | None,
    until: str | None,
    confidence: float,
    next_requests: int,
    price_texts: tuple[str, ...],
    dry_run: bool,
    note: str | None,
    db: str,
    console: Console,
) -> None:
    """Choose the threshold that sends a share of your traffic to the strong model.

    The share is given (--strong-fraction), or is the largest that a budget pays for (--budget).

    Scores what is not scored yet, then picks among the achievable cuts, and records the
    answer. It changes nothing in production: `routectl activate` does. Exits with 3 when no
    threshold comes near the target, because of a tie or because there are few requests.

    Router, population, models and prices are those of the route (`routectl route set`); options go
    before them for this once, --where field by field.

    \b
    Examples:
      routectl calibrate --strong-fraction 0.3
      routectl calibrate --strong-fraction 0.2 --at-most -r all --where model_group=smart
      routectl calibrate --strong-fraction 0.3 --guarantee 0.95
      routectl calibrate --budget 5000/month
      routectl calibrate --strong-fraction 0.3 --by team
      routectl calibrate --strong-fraction 0.3 --since 7d --note "Q4 budget"
      routectl calibrate --strong-fraction 0.3 --route smart --price gpt-5-mini=0.2/1.6
    """
    from routectl.cli.calibration_table import print_calibrations, to_json
    from routectl.prices import parse_prices
    from routectl.workflow.calibrating.run import Question, calibrate
    from routectl.workflow.routes.in_use import route_in_use

    location = options.parse_database(db)
    given = options.parse_population(where, since, until)
    in_use = route_in_use(location, route)
    question = Question(
        target=target,
        route=in_use,
        population=in_use.population(given),
        confidence=confidence,
        next_requests=next_requests,
        note=note,
        prices=parse_prices(price_texts),
        dry_run=dry_run,
        by=by,
        unit=unit,
    )
    router_names = router_names or in_use.router_texts
    routers = options.open_routers(router_names, strong_model, weak_model, scored_as)
    console.database(location)
    results = calibrate(
        location, routers, question, console, unnamed=options.unnamed_routers(router_names, routers)
    )
    if console.as_json:
        console.json([to_json(result) for result in results])
    else:
        print_calibrations(console, results)
    if dry_run:
        console.note("a dry run: no calibration was recorded, and the scores were kept")
    missed = [result for result in results if result.missed_by is not None]
    if missed:
        raise CheckFailed(
            f"the target is missed by more than --tolerance {target.tolerance:g}: "
            + ", ".join(_missed(result) for result in missed)
            + ("; nothing is recorded" if dry_run else "; the calibration is recorded")
        )


def _missed(result: RecordedCalibration) -> str:
    choice, name = result.choice, result.router.name
    if choice.segmented is not None and choice.segmented.missed:
        return f"{name}, {segment_shares(choice.segmented)}"
    return (
        f"{name} sends {percent(choice.cut.strong_fraction, 2)} to the strong model, "
        f"not {percent(choice.target.aim(choice.cut))}"
    )
