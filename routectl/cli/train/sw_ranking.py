"""`routectl train sw_ranking`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from routectl.cli.console import Console
from routectl.cli.train import shared
from routectl.errors import UsageError

if TYPE_CHECKING:
    from routectl.training import TrainingRequest
    from routectl.training.sw_ranking import MetricName


@click.command("sw_ranking", cls=shared.ManyFiles)
@shared.weighed_training_options
@shared.embedder
@click.option(
    "--metric",
    type=click.Choice(["difficulty", "cosine"]),
    default="difficulty",
    show_default=True,
    help="Compare prompts in a learned space, in which those are alike that are about as hard; or "
    "by the cosines of their embeddings, as published, which is better for battles alone.",
)
@click.option(
    "--question-length",
    is_flag=True,
    help="Use the length of a prompt's question as an extra feature of --metric difficulty.",
)
def command(
    request: TrainingRequest,
    embedder: str | None,
    metric: MetricName,
    question_length: bool,
    console: Console,
) -> None:
    """Train similarity-weighted ranking (section 4.2.1 of the RouteLLM paper).

    The output is a folder of config.json, model.safetensors and a model card, to be used as
    -r sw_ranking=DIR. It holds vectors of the prompts and outcomes, no text.

    \b
    Examples:
      routectl train sw_ranking --gold own.csv --output my-ranking
      routectl train sw_ranking --metric cosine --battles arena_55k.csv --output my-ranking
    """
    if question_length and metric != "difficulty":
        raise UsageError("--question-length belongs to --metric difficulty; leave one out")
    from routectl.training import train_sw_ranking

    shared.say_where_prompts_go(console, embedder)
    with shared.Phases(console) as on_progress:
        report = train_sw_ranking(
            request,
            embedder=embedder,
            metric=metric,
            question_length=question_length,
            on_progress=on_progress,
        )
    shared.print_report(console, report)
