"""`routectl train bert`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from routectl.cli.console import Console
from routectl.cli.train import shared

if TYPE_CHECKING:
    from routectl.training import TrainingRequest


@click.command("bert", cls=shared.ManyFiles)
@shared.training_options
@click.option(
    "--base",
    metavar="NAME|PATH",
    help="Another BERT with safetensors weights to start from; else the built-in one.",
)
@click.option(
    "--teacher",
    "teachers",
    multiple=True,
    metavar="NAME[=DIR]...",
    help="Distil the mean score of these slower routers, in place of labels.",
)
def command(
    request: TrainingRequest, base: str | None, teachers: tuple[str, ...], console: Console
) -> None:
    """Train a BERT classifier (section 4.2.3 of the RouteLLM paper).

    It learns from prompts on which a model of the strong group met one of the weak group. The
    output is a folder of config.json, model.safetensors and a model card, to be used as
    -r bert=DIR.

    \b
    Examples:
      routectl train bert --gold mmlu_pro.csv.gz --output my-classifier
      routectl train bert --battles arena_55k.csv --base bert-base-uncased --output larger
      routectl train bert --teacher mf=mf_8 --gold mmlu_pro.csv.gz --output quick
    """
    from routectl.training import train_bert

    chosen = shared.scoring_routers(console, teachers)
    with shared.Phases(console) as on_progress:
        report = train_bert(
            request,
            base=base,
            teachers=chosen,
            on_progress=on_progress,
        )
    shared.print_report(console, report)
