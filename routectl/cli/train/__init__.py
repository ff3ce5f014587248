"""`routectl train`: one module for each router that can be trained."""

from __future__ import annotations

import click

from routectl.cli.groups import LazyGroup

ROUTERS = ("mf", "sw_ranking", "bert", "causal_llm", "ensemble", "length")


@click.group("train", cls=LazyGroup, package=__name__, names=ROUTERS)
def command() -> None:
    """Train a router's checkpoint from preference data.

    A training that was stopped goes on from where it was when the same command is run again; until
    then its work is kept next to the output, in OUTPUT.partial.

    \b
    Example:
      routectl train mf --gold results.csv --output my-checkpoint
    """
