"""`routectl train causal_llm`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from routectl.cli.console import Console
from routectl.cli.train import shared

if TYPE_CHECKING:
    from routectl.training import TrainingRequest


@click.command("causal_llm", cls=shared.ManyFiles)
@shared.training_options
@click.option(
    "--base",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="PATH",
    help="Folder of the base model (config.json, tokenizer.json, safetensors); else the built-in "
    "one.",
)
@click.option(
    "--examples",
    type=click.IntRange(min=2),
    metavar="N",
    help="Learn from N prompts, drawn at random with --seed; else from all.",
)
def command(
    request: TrainingRequest, base: Path | None, examples: int | None, console: Console
) -> None:
    """Train an adapter of a causal language model (section 4.2.4 of the RouteLLM paper).

    It takes one to two seconds of a CPU core for each prompt. The output is a folder of
    config.json, model.safetensors and a model card, to be used as -r causal_llm=DIR.

    \b
    Example:
      routectl train causal_llm --gold results.csv --examples 2000 --output my-causal-llm
    """
    from routectl.training import train_causal_llm

    with shared.Phases(console) as on_progress:
        report = train_causal_llm(request, base=base, examples=examples, on_progress=on_progress)
    shared.print_report(console, report)
