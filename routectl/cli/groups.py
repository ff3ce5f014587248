"""A group of commands whose modules are loaded when they are run or listed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from routectl.cli.numbers import bound

_TAKEN = ("import", "list")


class LazyGroup(click.Group):
    """No command pays for the imports of another.

    Each command is a module of a package with a `command`. A module cannot be named as a keyword
    or should not be as a built-in: then its name ends in an underscore.
    """

    def __init__(self, *args: Any, package: str, names: Sequence[str], **kwargs: Any) -> None:
        """Take the commands' names in the order in which help lists them."""
        super().__init__(*args, **kwargs)
        self._package = package
        self._names = tuple(names)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._names:
            return None
        name = f"{cmd_name}_" if cmd_name in _TAKEN else cmd_name
        module = import_module(f"{self._package}.{name}")
        command: click.Command = module.command
        return bound(command)
