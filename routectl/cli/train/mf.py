"""`routectl train mf`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from routectl.cli.console import Console
from routectl.cli.train import shared
from routectl.errors import UsageError

if TYPE_CHECKING:
    from routectl.training import TrainingRequest


@click.command("mf", cls=shared.ManyFiles)
@shared.weighed_training_options
@shared.embedder
@click.option(
    "--fit",
    type=click.Choice(["factors", "difficulty"]),
    default="factors",
    show_default=True,
    help="A vector for each model, or one direction for all: how difficult a prompt is. The "
    "latter holds better on other kinds of prompts and with a few hundred labels; it needs gold "
    "labels to be good.",
)
@click.option(
    "--question-length",
    is_flag=True,
    help="Let the length of a prompt's question, without lettered answers, count beside its "
    "vector.",
)
@click.option(
    "--precision",
    type=click.FloatRange(min=0, min_open=True),
    metavar="NUMBER",
    help="How strongly --fit difficulty is held back: a larger one trusts a few labels less.  "
    "[default: 100]",
)
@click.option(
    "--kinds",
    type=click.IntRange(min=1),
    metavar="K",
    help="Find K kinds of prompts, and let --fit difficulty have a direction of its own near each "
    "beside the common one.",
)
@click.option(
    "--refit",
    is_flag=True,
    help="Once the held-out loss is measured, let --fit difficulty learn anew from all prompts, "
    "the held-out tenth included.",
)
def command(
    request: TrainingRequest,
    embedder: str | None,
    fit: str,
    question_length: bool,
    precision: float | None,
    kinds: int | None,
    refit: bool,
    console: Console,
) -> None:
    """Train matrix factorization (section 4.2.2 of the RouteLLM paper).

    The output is a folder of config.json, model.safetensors and a model card, to be used as
    -r mf=DIR.

    \b
    Examples:
      routectl train mf --gold mmlu_pro.csv.gz --output my-checkpoint
      routectl train mf --battles arena_55k.csv own.jsonl --gold own.csv --output both --seed 1
      routectl train mf --fit difficulty --gold mmlu_pro.csv.gz own.csv --weight own.csv=10 \\
        --output own-kind
      routectl train mf --embedder hidden:SmolLM2-135M-Instruct+all-MiniLM-L6-v2 \\
        --fit difficulty --kinds 6 --question-length --gold own.csv --output hard
    """
    if precision is not None and fit != "difficulty":
        raise UsageError("--precision belongs to --fit difficulty; give both, or neither")
    if kinds is not None and fit != "difficulty":
        raise UsageError("--kinds belongs to --fit difficulty; give both, or neither")
    if refit and fit != "difficulty":
        raise UsageError("--refit belongs to --fit difficulty; give both, or neither")
    from routectl.training import DifficultySettings, train_mf

    settings = None
    if fit == "difficulty":
        settings = DifficultySettings()
        if precision is not None:
            settings = replace(settings, precision=precision)
    shared.say_where_prompts_go(console, embedder)
    with shared.Phases(console) as on_progress:
        report = train_mf(
            request,
            embedder=embedder,
            settings=settings,
            question_length=question_length,
            kinds=kinds or 0,
            refit=refit,
            on_progress=on_progress,
        )
    shared.print_report(console, report)
