"""`routectl evaluate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from routectl.cli import options
from routectl.cli.console import Console
from routectl.errors import RouterError, UsageError
from routectl.records import ModelPair

if TYPE_CHECKING:
    from routectl.routers import OpenRouter

FOLDER = "ROUTECTL_BENCHMARKS"
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("evaluate")
@click.option(
    "--benchmark",
    "benchmarks",
    multiple=True,
    required=True,
    metavar="FILE|DIR|NAME",
    help="Prompts with how good each model's answer was: a table, a folder of RouteLLM's "
    f"repository, or the name of one in the folder that {FOLDER} names. May repeat.",
)
@options.route
@options.routers
@click.option(
    "--transfer",
    is_flag=True,
    help="Judge routers on another pair of models than the one they decide between: "
    "--strong-model and --weak-model then name the benchmark's, and the routers keep their own.",
)
@click.option(
    "--leave-out",
    multiple=True,
    type=FILE,
    metavar="FILE",
    help="Prompts to leave out: a table with a column prompt, or a .txt of SHA-256 digests. May "
    "repeat. BENCHMARK.contaminated.jsonl next to a benchmark is left out anyway.",
)
@click.option(
    "--trained-on",
    multiple=True,
    type=FILE,
    metavar="FILE",
    help="Battles or gold labels: how much the benchmarks are like them, by the mean largest "
    "cosine (the paper's Table 5). May repeat.",
)
@click.option("--unseen", is_flag=True, help="Leave out prompts that a router was trained on.")
@click.option(
    "--strict", is_flag=True, help="Exit with 3 if a router was trained on one of the prompts."
)
@click.option(
    "--sample",
    type=click.IntRange(min=2),
    metavar="N",
    help="Judge on N rows of each benchmark, drawn at random.",
)
@click.option(
    "--quality",
    "qualities",
    multiple=True,
    type=float,
    metavar="NUMBER",
    help="Also the strong fraction that reaches this mean quality, in the benchmark's own unit. "
    "May repeat.",
)
@click.option(
    "--bins",
    type=click.IntRange(min=1, max=10_000),
    metavar="N",
    help="Also the figures of RouteLLM's own procedure, from N quantile bins (it takes 10).",
)
@options.price
@click.option(
    "--answer-tokens",
    type=click.IntRange(min=0),
    default=300,
    show_default=True,
    metavar="N",
    help="Tokens of an answer, where the benchmark has no costs of its own.",
)
@options.draws
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of the bootstrap and of --sample."
)
@options.confidence
@click.option(
    "--plots",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Draw quality, cost, scores and reliability into this folder (takes 'routectl[plots]').",
)
@click.option(
    "--plot-format",
    "plot_formats",
    multiple=True,
    default=("png",),
    show_default=True,
    type=click.Choice(("png", "svg")),
    help="Of the plots. May repeat.",
)
@options.force
@options.note
@options.database
@options.output
def command(
    benchmarks: tuple[str, ...],
    route: str | None,
    router_names: tuple[str, ...],
    strong_model: str | None,
    weak_model: str | None,
    scored_as: tuple[str, ...],
    transfer: bool,
    leave_out: tuple[Path, ...],
    trained_on: tuple[Path, ...],
    unseen: bool,
    strict: bool,
    sample: int | None,
    qualities: tuple[float, ...],
    bins: int | None,
    price_texts: tuple[str, ...],
    answer_tokens: int,
    draws: int,
    seed: int,
    confidence: float,
    plots: Path | None,
    plot_formats: tuple[str, ...],
    force: bool,
    note: str | None,
    db: str,
    console: Console,
) -> None:
    """Say how good routers are on prompts whose answers were judged, and how sure that is.

    A benchmark is a table: a prompt a row, and a column for each model with how good its answer
    was (1 and 0, true and false, 1 to 10, any scale); cost:MODEL columns hold US dollars. Printed
    are the share of the quality gap that a router recovers (APGR), the strong fraction that
    recovers half and four fifths of it (CPT), the mean quality over all strong fractions (AUC),
    each with a paired bootstrap interval, and those of random, length and the oracle; then whether
    each router is better than the others. Every evaluation is stored: see `routectl evaluations`.

    Where none are named, the models are the route's if the benchmark holds answers of both, else
    those that the routers decide between; prices are the route's own, else the list's.

    \b
    Examples:
      routectl evaluate --benchmark own.csv -r mf -r sw_ranking
      routectl evaluate --benchmark mmlu.csv.gz -r all --unseen
      routectl evaluate --benchmark judged.csv --transfer --strong-model gpt-5 --weak-model haiku
    """
    from routectl.cli.evaluation_table import print_evaluated, to_json
    from routectl.prices import parse_prices
    from routectl.workflow.evaluating import Question, evaluate, find_benchmark
    from routectl.workflow.routes.in_use import route_in_use

    location = options.parse_database(db)
    in_use = route_in_use(location, route)
    router_names = router_names or in_use.router_texts
    if transfer and (strong_model is None or weak_model is None):
        raise UsageError("--transfer takes the benchmark's --strong-model and --weak-model")
    folder = os.environ.get(FOLDER)
    paths = [find_benchmark(name, Path(folder) if folder else None) for name in benchmarks]
    routers = _open(router_names, strong_model, weak_model, scored_as, transfer)
    named = strong_model is not None and weak_model is not None
    question = Question(
        pair=ModelPair(strong_model or "", weak_model or "") if named else None,
        route_pair=None if strong_model or weak_model else in_use.pair,
        route_prices=in_use.prices({}),
        transfer=transfer,
        leave_out=leave_out,
        trained_on=trained_on,
        unseen=unseen,
        strict=strict,
        sample=sample,
        qualities=qualities,
        bins=bins,
        prices=parse_prices(price_texts),
        answer_tokens=answer_tokens,
        draws=draws,
        seed=seed,
        confidence=confidence,
        plots=plots,
        plot_formats=plot_formats,
        force=force,
        note=note,
    )
    console.database(location)
    results = evaluate(
        location,
        routers,
        paths,
        question,
        console,
        unnamed=options.unnamed_routers(router_names, routers),
    )
    if console.as_json:
        console.json([to_json(result) for result in results])
    else:
        print_evaluated(console, results)


def _open(
    names: tuple[str, ...],
    strong_model: str | None,
    weak_model: str | None,
    scored_as: tuple[str, ...],
    transfer: bool,
) -> list[OpenRouter]:
    """The routers: for the pair that is compared, unless they keep their own or know none."""
    plain = options.open_routers(names, None, None)
    if transfer or not any(router.description.models for router in plain):
        return plain
    try:
        return options.open_routers(names, strong_model, weak_model, scored_as)
    except RouterError as error:
        raise RouterError(
            f"{str(error).rstrip('.')}. Score it as a model that is known with --as NEW=KNOWN, or "
            "judge the router with its own pair's scores: --transfer"
        ) from None
