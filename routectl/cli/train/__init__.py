"""`routectl train`: one module for each router that can be trained."""

from __future__ import annotations

from importlib import import_module

import click

ROUTERS = ("mf", "sw_ranking", "bert", "causal_llm", "ensemble", "length")
"""Each is a module of this package with a `command`."""


class _Routers(click.Group):
    """Loads a training command when it is run or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(ROUTERS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in ROUTERS:
            return None
        command: click.Command = import_module(f"routectl.cli.train.{cmd_name}").command
        return command


@click.group("train", cls=_Routers)
def command() -> None:
    """Train a router's checkpoint from preference data.

    A training that was stopped goes on from where it was when the same command is run again; until
    then its work lies beside the output, in OUTPUT.partial.

    \b
    Example:
      routectl train mf --gold results.csv --output my-checkpoint
    """
