"""Numbers on the command line: none that is too large to count with, and none that is no number."""

from __future__ import annotations

import math
from typing import Any

import click

MOST = 10**9
"""Of options that count something, ids too."""
_LARGEST_SEED = 2**63 - 1


class _Count(click.IntRange):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(_short(self, value, param, ctx), param, ctx)
        if abs(number) > MOST:
            self.fail(f"{number} is too large: {MOST:,} at most.", param, ctx)
        return number


class _Seed(click.types.IntParamType):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(_short(self, value, param, ctx), param, ctx)
        if not 0 <= number <= _LARGEST_SEED:
            self.fail(f"{number} is not between 0 and {_LARGEST_SEED}.", param, ctx)
        return number


class _Finite(click.types.FloatParamType):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


class _FiniteRange(click.FloatRange):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


def _short(
    kind: click.ParamType[Any], value: Any, param: click.Parameter | None, ctx: click.Context | None
) -> Any:
    if isinstance(value, str) and len(value) > 40:
        kind.fail("it has too many digits.", param, ctx)
    return value


def bound(command: click.Command) -> click.Command:
    """Make a command, and those of a group, refuse numbers that nothing can be done with.

    All of them are bound in one place, so that no option can be forgotten.
    """
    for parameter in command.params:
        kind = parameter.type
        if type(kind) is click.IntRange:
            parameter.type = _Count(kind.min, kind.max, kind.min_open, kind.max_open, kind.clamp)
        elif type(kind) is click.FloatRange:
            parameter.type = _FiniteRange(
                kind.min, kind.max, kind.min_open, kind.max_open, kind.clamp
            )
        elif type(kind) is click.types.IntParamType:
            parameter.type = _Seed()
        elif type(kind) is click.types.FloatParamType:
            parameter.type = _Finite()
    if isinstance(command, click.Group):
        for member in command.commands.values():
            bound(member)
    return command
