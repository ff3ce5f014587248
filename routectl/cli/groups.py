"""A group of commands whose modules are loaded when they are run or listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

    def __init__(
        self,
        *args: Any,
        package: str,
        names: Sequence[str] = (),
        sections: Mapping[str, Mapping[str, str]] | None = None,
        **kwargs: Any,
    ) -> None:
        """Take the commands in the order in which help lists them.

        Args:
            names: of the commands, in place of `sections`.
            sections: title -> command -> its line in the help, which then loads no command.
        """
        super().__init__(*args, **kwargs)
        self._package = package
        self._sections = sections or {}
        listed = (name for section in self._sections.values() for name in section)
        self._names = (*names, *listed)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._names:
            return None
        name = f"{cmd_name}_" if cmd_name in _TAKEN else cmd_name
        module = import_module(f"{self._package}.{name}")
        command: click.Command = module.command
        return bound(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if not self._sections:
            super().format_commands(ctx, formatter)
            return
        width = max(map(len, self._names))
        for title, section in self._sections.items():
            with formatter.section(title):
                # One column for all sections: each is padded to the longest name.
                formatter.write_dl([(name.ljust(width), line) for name, line in section.items()])
