"""`routectl label`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from routectl.cli import judging_options, options
from routectl.cli.console import Console

if TYPE_CHECKING:
    from routectl.cli.judging_options import JudgingOptions

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("label")
@click.option(
    "--sample",
    type=click.IntRange(min=2),
    default=300,
    show_default=True,
    metavar="N",
    help="Distinct prompts to judge, drawn from the whole range of scores.",
)
@judging_options.judging
@options.router
@options.scored_as
@options.population
@click.option("-o", "--output", type=FILE, help="Also write a new file of battles, JSON lines.")
@options.force
@judging_options.yes
@options.note
@options.database
@options.output
@click.pass_context
def command(
    ctx: click.Context,
    sample: int,
    asked: JudgingOptions,
    router_names: tuple[str, ...],
    scored_as: tuple[str, ...],
    where: tuple[str, ...],
    since: str | None,
    until: str | None,
    output: Path | None,
    force: bool,
    yes: bool,
    note: str | None,
    db: str,
    console: Console,
) -> None:
    """Is a router better than random on your traffic? Yes, no, or can't tell.

    Draws prompts from the traffic in the database, from the whole range of the router's scores, has
    both models answer them and the judge compare, and weighs the verdicts by the requests that they
    stand for. Of several routers the first one's scores choose the prompts; all are judged by them.
    Models, prices, router and population are the route's; options go before them.

    Prompts leave this machine: what goes where at which price is said first, and nothing is sent
    without --yes. Keys come from ROUTECTL_JUDGE_KEY, and ROUTECTL_MODELS_KEY if the judge has an
    address of its own. A run that was stopped goes on when it is run again, and a larger --sample
    pays only for what is new. Exits with 3 if --max-cost did not last; nothing is lost.

    \b
    Examples:
      routectl label --judge gpt-4.1 --endpoint https://api.openai.com/v1 --max-cost 5
      routectl label --sample 300 -r mf -r length --where model_group=smart --since 7d \\
        --strong-model big --weak-model small --judge critic --endpoint http://localhost:4000/v1 \\
        --price big=2.5/10 --price small=0.15/0.6 --price critic=2/8 --yes
    """
    from routectl.cli.label_table import label_json, print_label
    from routectl.output import Output
    from routectl.workflow import judging, labelling
    from routectl.workflow.routes.in_use import route_in_use

    location = options.parse_database(db)
    given = options.parse_population(where, since, until)
    route = route_in_use(location, asked.route)
    setup = asked.judging(route)
    # What is wrong with the command is said before prompts are scored.
    setup.known_prices()
    target = None
    if output is not None:
        target = Output(path=output, option="--output", database=location.path, force=force)
        target.check()
    question = labelling.Question(
        population=route.population(given),
        sample=sample,
        seed=setup.seed,
        note=note,
    )
    strong, weak = (setup.pair.strong, setup.pair.weak) if scored_as else (None, None)
    router_names = router_names or route.router_texts
    routers = options.open_routers(router_names, strong, weak, scored_as)
    console.database(location)
    drawn = labelling.draw_traffic(
        location,
        routers,
        question,
        console,
        unnamed=options.unnamed_routers(router_names, routers),
    )
    work = labelling.kept_work(location, setup)
    judging_options.confirm(
        judging.plan_judging(drawn.prompts, setup, work), setup, console, yes=yes
    )
    report = labelling.label(location, drawn, setup, question, target, console)
    if console.as_json:
        console.json(label_json(report))
    else:
        print_label(console, report)
    console.note(f"{report.kept} keeps the answers, so that a larger --sample pays for new ones")
    if not report.judging.complete:
        judging_options.note_the_limit(setup, console)
        ctx.exit(3)
