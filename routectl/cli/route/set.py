"""`routectl route set`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from routectl.cli import options
from routectl.cli.console import Console


@click.command("set")
@click.argument("name", metavar="NAME")
@click.option("--strong", metavar="MODEL", help="Model that the harder requests go to.")
@click.option("--weak", metavar="MODEL", help="Model that all others go to.")
@click.option(
    "--router",
    "router_text",
    metavar="NAME[=DIR]",
    help="Router that scores its prompts, with a checkpoint folder of your own, or the name of one "
    "that ships, if it is not the default one. Without it, mf.",
)
@options.where
@click.option(
    "--price",
    "price_texts",
    multiple=True,
    metavar="MODEL=IN/OUT",
    help="US dollars per million input and output tokens of one of the two models, in place of the "
    "list price. May repeat.",
)
@click.option(
    "--drift-tolerance",
    callback=options.optional_open_fraction,
    metavar="SHARE",
    help="How far the long-run share may move from the calibrated one before `status` calls it "
    "drift, such as 0.03. Without it, 0.02.",
)
@click.option(
    "--limit",
    "limit_texts",
    multiple=True,
    metavar="MODEL=LIMIT,...",
    help="What the weak model cannot take, so that such requests are strong: context:TOKENS, "
    "no-images, no-tools, no-response-format; none takes it back. It counts from the next "
    "calibration on.",
)
@click.option(
    "--publish",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="routes.json that proxies read: written now, and by each activate and rollback, with all "
    "routes that name it.",
)
@click.option(
    "--no-publish", is_flag=True, help="Take the route out of that file when it is written next."
)
@options.note
@options.database
@options.output
def command(
    name: str,
    strong: str | None,
    weak: str | None,
    router_text: str | None,
    where: tuple[str, ...],
    price_texts: tuple[str, ...],
    drift_tolerance: float | None,
    limit_texts: tuple[str, ...],
    publish: Path | None,
    no_publish: bool,
    note: str | None,
    db: str,
    console: Console,
) -> None:
    """Declare the route NAME, or change what is declared of it.

    The models are the deployments that you pay for, at list prices unless --price says others. The
    population (--where) takes the model groups of before and after the cut-over: values of one
    field are alternatives. Of a route that is there only what is given changes; what it runs stays.
    A database whose only route is `default` has it renamed. Makes the database when there is none.

    \b
    Examples:
      routectl route set smart --strong gpt-5 --weak gpt-5-mini \\
        --where model_group=gpt-5 --where model_group=smart
      routectl route set smart --price gpt-5=1.1/9 --note "new contract"
      routectl route set smart --limit gpt-5-mini=context:128000,no-images
      routectl route set batch --strong big --weak small --price big=2/8 --price small=0.2/0.8
      routectl route set smart --publish /etc/routectl/routes.json
    """
    from routectl.cli.publishing import published_json, say_published
    from routectl.cli.route_table import print_set, set_json
    from routectl.errors import UsageError
    from routectl.prices import parse_prices
    from routectl.route import parse_limits
    from routectl.routers import open_spec
    from routectl.workflow.exporting.publishing import check_publishable
    from routectl.workflow.exporting.publishing import publish as write_published
    from routectl.workflow.routes.declaring import Wanted, set_route

    if publish is not None and no_publish:
        raise UsageError("--publish and --no-publish contradict each other")
    location = options.parse_database(db)
    # Its links are not followed: whoever swaps one means the name.
    target = None if publish is None else os.path.abspath(publish)  # noqa: PTH100
    if target is not None:
        check_publishable(location, target, name)
    wanted = Wanted(
        strong=strong,
        weak=weak,
        # Opened once, so that what is stored opens again, and a misspelt name is told now.
        router=None if router_text is None else open_spec(options.parse_router(router_text)).spec,
        population=options.parse_population(where, None, None) if where else None,
        prices=parse_prices(price_texts),
        drift_tolerance=drift_tolerance,
        limits=parse_limits(limit_texts),
        publish="" if no_publish else target,
    )
    console.database(location)
    done = set_route(location, name, wanted, note=note, reporter=console)
    published = None
    if target is not None or done.renamed_from is not None:
        published = write_published(location, done.name)
    if console.as_json:
        console.json(set_json(done) | {"published": published_json(published)})
    else:
        print_set(console, done)
    say_published(console, published, done.name, f"route {done.name} is declared")
    if done.published_before is not None:
        console.warn(
            f"{done.published_before} is no longer written for route {done.name}: proxies that "
            "read it keep what it says, whatever is activated"
        )
    for other in done.overlaps:
        console.note(
            f"a request can belong to both {done.name} and {other}, and counts for each: choose "
            "--where that exclude each other if that is not meant"
        )
