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
    type=click.Choice(["cosine", "difficulty"]),
    default="cosine",
    show_default=True,
    help="Compare prompts by the cosines of their embeddings; or learn, as mf does with "
    "--fit difficulty, what makes them hard, and compare them by that, too. The latter needs gold "
    "labels to be good.",
)
@click.option(
    "--question-length",
    is_flag=True,
    help="Let the length of a prompt's question have a part in --metric difficulty.",
)
@click.option(
    "--precision",
    type=click.FloatRange(min=0, min_open=True),
    metavar="NUMBER",
    help="How strongly the difficulty in --metric difficulty is held back: a larger one trusts a "
    "few labels less.  [default: 100]",
)
@click.option(
    "--prior",
    type=float,
    metavar="TIES",
    help="Ties to add between each two models, so that their ratings are finite; without it, some "
    "are added only where they are needed.",
)
def command(
    request: TrainingRequest,
    embedder: str | None,
    metric: MetricName,
    question_length: bool,
    precision: float | None,
    prior: float | None,
    console: Console,
) -> None:
    """Train similarity-weighted ranking (section 4.2.1 of the RouteLLM paper).

    The output is a folder of config.json, model.safetensors and a model card, to be used as
    -r sw_ranking=DIR. It holds vectors of the prompts and outcomes, no text.

    \b
    Examples:
      routectl train sw_ranking --battles arena_55k.csv --output my-ranking
      routectl train sw_ranking --gold own.csv --prior 0.1 --output my-ranking
      routectl train sw_ranking --metric difficulty --question-length --gold own.csv --output hard
    """
    if question_length and metric != "difficulty":
        raise UsageError("--question-length belongs to --metric difficulty; give both, or neither")
    if precision is not None and metric != "difficulty":
        raise UsageError("--precision belongs to --metric difficulty; give both, or neither")
    from routectl.training import train_sw_ranking

    shared.say_where_prompts_go(console, embedder)
    with shared.Phases(console) as on_progress:
        report = train_sw_ranking(
            request,
            embedder=embedder,
            metric=metric,
            question_length=question_length,
            precision=precision,
            prior=prior,
            on_progress=on_progress,
        )
    shared.print_report(console, report)
