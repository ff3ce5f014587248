"""`routectl battles judge`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from routectl.cli import judging_options, options
from routectl.cli.battles.options import FILE
from routectl.cli.console import Console
from routectl.cli.judging_options import count_and_share

if TYPE_CHECKING:
    from routectl.cli.judging_options import JudgingOptions
    from routectl.store.engine import Location
    from routectl.workflow.judging import JudgingReport
    from routectl.workflow.routes.in_use import RouteInUse


@click.command("judge")
@click.argument("files", nargs=-1, type=FILE, metavar="[PROMPTS]...")
@judging_options.judging
@click.option("-o", "--output", required=True, type=FILE, help="New file of battles, JSON lines.")
@click.option(
    "--from-traffic",
    is_flag=True,
    help="Take the prompts of the traffic in the database, each distinct one once.",
)
@options.population
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="Only so many prompts, drawn at random; a larger N later keeps those of a smaller one.",
)
@options.force
@judging_options.yes
@options.database
@options.output
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[Path, ...],
    asked: JudgingOptions,
    output: Path,
    from_traffic: bool,
    where: tuple[str, ...],
    since: str | None,
    until: str | None,
    sample: int | None,
    force: bool,
    yes: bool,
    db: str,
    console: Console,
) -> None:
    """Have two models answer prompts and a third one judge, to learn from the verdicts.

    PROMPTS are tables with a column prompt (CSV, JSON, JSON lines, plain or gzipped), or .txt with
    a prompt a line. The judge sees each two answers in both orders; where its verdicts differ it is
    a tie. Prompts leave this machine: what goes where at which price is said first, and nothing is
    sent without --yes. Keys come from ROUTECTL_JUDGE_KEY, and ROUTECTL_MODELS_KEY if the judge has
    an address of its own.

    Models and prices that are not named are those of the route, and so is its population.

    A run that was stopped goes on when it is run again. Exits with 3 if --max-cost did not last;
    the battles so far are written, and a larger one goes on.

    \b
    Examples:
      routectl battles judge prompts.jsonl --strong-model gpt-4o --weak-model gpt-4o-mini \\
        --judge gpt-4.1 --endpoint https://api.openai.com/v1 --max-cost 5 --output judged.jsonl
      routectl battles judge --from-traffic --since 7d --sample 300 --strong-model big \\
        --weak-model small --judge big --endpoint http://localhost:4000/v1 \\
        --price big=2.5/10 --price small=0.15/0.6 --output judged.jsonl --yes
    """
    from routectl.errors import UsageError
    from routectl.output import Output
    from routectl.workflow import judging

    if from_traffic == bool(files):
        raise UsageError("name files of prompts, or --from-traffic: one of the two")
    if (where or since or until) and not from_traffic:
        raise UsageError(
            "--where, --since and --until choose among the traffic: add --from-traffic"
        )
    location, route = options.parse_database(db), None
    target = judging.continued(
        Output(path=output, option="--output", database=location.path, inputs=files, force=force)
    )
    target.check()
    # Files of prompts and named models need no database.
    if from_traffic or asked.needs_route:
        route = _route(location, asked, from_traffic)
    setup = asked.judging(route)
    if from_traffic and route is not None:
        population = route.population(options.parse_population(where, since, until))
        console.database(location)
        prompts = judging.population_prompts(location, population, sample, setup.seed, console)
    else:
        prompts = judging.file_prompts(files, sample, setup.seed)
    plan = judging.plan_judging(prompts, setup, judging.work_path(output))
    judging_options.confirm(plan, setup, console, yes=yes)
    report = judging.judge_to_file(prompts, setup, target, console)
    if console.as_json:
        console.json(judging_options.judging_json(report))
    else:
        _print_report(console, report)
    if not report.complete:
        judging_options.note_the_limit(setup, console)
        ctx.exit(3)


def _route(location: Location, asked: JudgingOptions, from_traffic: bool) -> RouteInUse | None:
    """The route that the models or the prompts are of; None where there is no database for it."""
    from routectl.workflow.routes.in_use import route_in_use

    path = location.path
    if path is not None and not path.exists() and not from_traffic and asked.route is None:
        return None
    return route_in_use(location, asked.route)


def _print_report(console: Console, report: JudgingReport) -> None:
    tally = report.tally
    rows = []
    if report.output is not None:
        rows.append(("battles", f"{report.output}: {tally.judged:,} of {report.prompts:,} prompts"))
    rows.append(("models", f"{report.pair} (strong / weak)"))
    rows.append(("judge", f"{report.judge}, instructions {report.judge_prompt}"))
    if tally.judged:
        rows += [
            ("strong won", count_and_share(tally.strong_won, tally.judged)),
            ("weak won", count_and_share(tally.weak_won, tally.judged)),
            (
                "ties",
                f"{count_and_share(tally.ties, tally.judged)}: {tally.disagreed:,} because the "
                f"orders differ, {tally.equal_answers:,} because the answers are equal",
            ),
        ]
    decided = tally.first_place + tally.second_place
    if decided:
        rows.append(
            (
                "first place",
                f"{count_and_share(tally.first_place, decided)} of verdicts for a model",
            )
        )
    rows += judging_options.rows_of_the_work(report)
    rows.append(("complete", "yes" if report.complete else "no"))
    console.table(rows)
