"""`routectl samples`."""

from __future__ import annotations

import click

from routectl.cli.groups import LazyGroup


@click.group("samples", cls=LazyGroup, package="routectl.cli.samples", names=("list", "remove"))
def command() -> None:
    """Look at what each import brought, and take one out again.

    \b
    Example:
      routectl samples list
    """
