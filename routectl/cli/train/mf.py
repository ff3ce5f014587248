"""`routectl train mf`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from routectl.cli.console import Console
from routectl.cli.train import shared

if TYPE_CHECKING:
    from routectl.training import TrainingRequest


@click.command("mf", cls=shared.ManyFiles)
@shared.weighed_training_options
@shared.embedder
@click.option(
    "--question-length",
    is_flag=True,
    help="Use the length of a prompt's question, without lettered answers, as an extra feature.",
)
@click.option(
    "--precision",
    type=click.FloatRange(min=0, min_open=True),
    metavar="NUMBER",
    default=100.0,
    show_default=True,
    help="Regularisation strength: the precision of the Gaussian prior on the direction. A larger "
    "one trusts few labels less.",
)
@click.option(
    "--kinds",
    type=click.IntRange(min=1),
    metavar="K",
    help="Cluster the prompts, and learn a direction for each of K clusters besides the common "
    "one.",
)
@click.option(
    "--refit",
    is_flag=True,
    help="Once the held-out loss is measured, fit again to all prompts, the held-out tenth "
    "included.",
)
def command(
    request: TrainingRequest,
    embedder: str | None,
    question_length: bool,
    precision: float,
    kinds: int | None,
    refit: bool,
    console: Console,
) -> None:
    """Train matrix factorization (section 4.2.2 of the RouteLLM paper).

    One direction is fitted for all models, how difficult a prompt is, and each model's rating says
    how far along it counts.

    The output is a folder of config.json, model.safetensors and a model card, to be used as
    -r mf=DIR.

    \b
    Examples:
      routectl train mf --gold mmlu_pro.csv.gz --output my-checkpoint
      routectl train mf --battles arena_55k.csv own.jsonl --gold own.csv --output both --seed 1
      routectl train mf --gold mmlu_pro.csv.gz own.csv --weight own.csv=10 --output own-kind
      routectl train mf --embedder bert:bert_3 --gold own.csv --output quick
    """
    from routectl.training import DifficultySettings, train_mf

    shared.say_where_prompts_go(console, embedder)
    with shared.Phases(console) as on_progress:
        report = train_mf(
            request,
            embedder=embedder,
            settings=DifficultySettings(precision=precision),
            question_length=question_length,
            kinds=kinds or 0,
            refit=refit,
            on_progress=on_progress,
        )
    shared.print_report(console, report)
