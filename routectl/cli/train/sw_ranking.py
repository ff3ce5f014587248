"""`routectl train sw_ranking`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from routectl.cli.console import Console
from routectl.cli.train import shared

if TYPE_CHECKING:
    from routectl.training import TrainingRequest


@click.command("sw_ranking", cls=shared.ManyFiles)
@shared.weighed_training_options
@shared.embedder
@click.option(
    "--prior",
    type=float,
    metavar="TIES",
    help="Ties to add between each two models, so that their ratings are finite; without it, some "
    "are added only where they are needed.",
)
def command(
    request: TrainingRequest, embedder: str | None, prior: float | None, console: Console
) -> None:
    """Train similarity-weighted ranking (section 4.2.1 of the RouteLLM paper).

    The output is a folder of config.json, model.safetensors and a model card, to be used as
    -r sw_ranking=DIR. It holds vectors of the prompts and outcomes, no text.

    \b
    Examples:
      routectl train sw_ranking --battles arena_55k.csv --output my-ranking
      routectl train sw_ranking --gold own.csv --prior 0.1 --output my-ranking
    """
    from routectl.training import train_sw_ranking

    shared.say_where_prompts_go(console, embedder)
    with shared.Phases(console) as on_progress:
        report = train_sw_ranking(request, embedder=embedder, prior=prior, on_progress=on_progress)
    shared.print_report(console, report)
