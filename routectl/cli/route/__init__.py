"""`routectl route`: one module for each of its commands."""

from __future__ import annotations

import click

from routectl.cli.groups import LazyGroup

NAMES = ("set", "list", "show", "rename", "remove")


@click.group("route", cls=LazyGroup, package=__name__, names=NAMES)
def command() -> None:
    """Declare what is routed: the models, their prices, and which requests.

    \b
    Example:
      routectl route set smart --strong gpt-5 --weak gpt-5-mini --where model_group=smart
      routectl route list
    """
