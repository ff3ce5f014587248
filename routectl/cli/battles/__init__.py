"""`routectl battles`: one module for each of its commands."""

from __future__ import annotations

import click

from routectl.cli.groups import LazyGroup

NAMES = ("import", "list", "export", "check", "contamination", "judge")


@click.group("battles", cls=LazyGroup, package=__name__, names=NAMES)
def command() -> None:
    """Keep preference records, and check what a router would learn from them.

    \b
    Example:
      routectl battles import votes.jsonl
      routectl battles check
    """
