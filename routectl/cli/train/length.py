"""`routectl train length`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from routectl.cli.console import Console
from routectl.cli.train import shared

if TYPE_CHECKING:
    from routectl.training import TrainingRequest


@click.command("length", cls=shared.ManyFiles)
@shared.data_options
def command(request: TrainingRequest, console: Console) -> None:
    """Take the reference lengths of the length baseline from preference data.

    \b
    Example:
      routectl train length --gold results.csv --output my-lengths
    """
    from routectl.training import train_length

    with shared.Phases(console) as on_progress:
        report = train_length(request, on_progress=on_progress)
    shared.print_report(console, report)
