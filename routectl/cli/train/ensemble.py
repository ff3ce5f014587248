"""`routectl train ensemble`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from routectl.cli.console import Console
from routectl.cli.train import shared

if TYPE_CHECKING:
    from routectl.training import TrainingRequest


@click.command("ensemble", cls=shared.ManyFiles)
@click.option(
    "--member",
    "members",
    multiple=True,
    required=True,
    metavar="NAME[=DIR]...",
    help="A router that takes part, with a checkpoint of your own if you have one.",
)
@shared.training_options
@click.option(
    "--fresh",
    is_flag=True,
    help="No member has learned from this data: fit on all of its prompts, not on the held-out.",
)
def command(
    request: TrainingRequest, members: tuple[str, ...], fresh: bool, console: Console
) -> None:
    """Weigh several routers by how much each adds (logistic stacking of their ranks).

    It learns from the prompts that trainings with the same data and seed hold out. The model card
    says, by nested cross-validation, whether the ensemble beats its best member.

    \b
    Examples:
      routectl train ensemble --member mf length --gold own.csv --fresh --output both
      routectl train ensemble --member mf=my-mf length --gold same.csv --output both
    """
    from routectl.training import train_ensemble

    chosen = shared.scoring_routers(console, members)
    with shared.Phases(console) as on_progress:
        report = train_ensemble(
            request,
            chosen,
            fresh=fresh,
            on_progress=on_progress,
        )
    shared.print_report(console, report)
