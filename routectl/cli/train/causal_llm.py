"""`routectl train causal_llm`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from routectl.cli.console import Console
from routectl.cli.train import shared
from routectl.errors import UsageError

if TYPE_CHECKING:
    from routectl.training import TrainingRequest


@click.command("causal_llm", cls=shared.ManyFiles)
@shared.weighed_training_options
@click.option(
    "--base",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="PATH",
    help="Folder of the base model (config.json, tokenizer.json, safetensors); else the built-in "
    "one.",
)
@click.option(
    "--adapter",
    type=click.Path(path_type=Path),
    metavar="NAME|PATH",
    help="Keep the adapter of this checkpoint, and fit only how the five ratings follow from the "
    "last layer's state: each prompt is read once, and --weight counts.",
)
@click.option(
    "--teacher",
    "teachers",
    multiple=True,
    metavar="NAME[=DIR]...",
    help="With --adapter: distil the mean score of these routers, in place of labels.",
)
@click.option(
    "--question-length",
    is_flag=True,
    help="With --adapter: use the length of a prompt's question as an extra feature.",
)
def command(
    request: TrainingRequest,
    base: Path | None,
    adapter: Path | None,
    teachers: tuple[str, ...],
    question_length: bool,
    console: Console,
) -> None:
    """Train an adapter of a causal language model (section 4.2.4 of the RouteLLM paper).

    It takes one to two seconds of a CPU core for each prompt. The output is a folder of
    config.json, model.safetensors and a model card, to be used as -r causal_llm=DIR.

    \b
    Examples:
      routectl train causal_llm --gold results.csv --output my-causal-llm
      routectl train causal_llm --adapter causal_llm_4 --gold own.csv --output own-ratings
      routectl train causal_llm --adapter causal_llm_4 --teacher bert --gold own.csv --output fast
    """
    if adapter is not None and base is not None:
        raise UsageError("an adapter names its base; give --adapter or --base, not both")
    for option, given in (
        ("--weight", bool(request.weights)),
        ("--teacher", bool(teachers)),
        ("--question-length", question_length),
    ):
        if adapter is None and given:
            raise UsageError(f"{option} belongs to --adapter here; give both, or neither")
    from routectl.training import train_causal_llm, train_rating_rows

    chosen = shared.scoring_routers(console, teachers)
    with shared.Phases(console) as on_progress:
        if adapter is None:
            report = train_causal_llm(request, base=base, on_progress=on_progress)
        else:
            report = train_rating_rows(
                request,
                adapter,
                teachers=chosen,
                question_length=question_length,
                on_progress=on_progress,
            )
    shared.print_report(console, report)
