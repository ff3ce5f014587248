"""What is wrong with a command line, as a sentence that says what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import click

LIKENESS = 0.75
"""How alike a word must be to what was typed to be offered in its place (difflib's ratio)."""

_REFUSED = re.compile(r"(.+?) is (?:not a valid|not in the range|not one of) .*", re.DOTALL)
"""Click's own words for a value that its type refuses."""


def usage_sentence(error: click.ClickException) -> str:
    """One sentence, without a stop, for an error of Click's."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    match error:
        case click.MissingParameter(param=click.Parameter() as parameter) if context is not None:
            return _missing(parameter, context)
        case click.BadParameter(param=click.Parameter() as parameter):
            return f"{_name(parameter)}{_refusal(parameter, error.message)}"
        case click.NoSuchOption():
            offered = _nearest(error.option_name, _options(context))
            return f"there is no option {error.option_name}{offered}"
        case click.BadOptionUsage() if context is not None:
            return _without_its_value(error, context)
    if isinstance(error, click.UsageError) and context is not None:
        # Click has these two as plain usage errors, or only since 8.4 as a class of their own.
        if unknown := re.fullmatch(r"No such command '(.*)'\.", error.message, re.DOTALL):
            names = _commands(context)
            return f"there is no command {unknown[1]}{_nearest(unknown[1], names)}"
        if extra := re.fullmatch(
            r"Got unexpected extra arguments? \((.*)\)", error.message, re.DOTALL
        ):
            return f"`{context.command_path}` takes no more arguments, and {extra[1]} is one"
    return error.format_message().removesuffix(".")


def example_of(command: click.Command, parameter: click.Parameter) -> str | None:
    """The example in a command's help that shows a parameter; None where it has none.

    An argument is shown by the first example that is there.
    """
    _, _, examples = (command.help or "").partition("Example")
    whole = re.sub(r"\s*\\\s*\n\s*", " ", examples)  # lines that a backslash continues
    lines = [line.strip() for line in whole.splitlines()]
    shown = [line for line in lines if "routectl " in line]
    if isinstance(parameter, click.Option):
        spelled = [f"{name} " for name in parameter.opts]
        shown = [line for line in shown if any(name in f"{line} " for name in spelled)]
    return shown[0] if shown else None


def _missing(parameter: click.Parameter, context: click.Context) -> str:
    example = example_of(context.command, parameter)
    text = f"`{context.command_path}` needs {_with_value(parameter, context)}"
    return text if example is None else f"{text}, as in `{example}`"


def _name(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len)
    return parameter.human_readable_name.strip("[]").removesuffix("...")


def _with_value(parameter: click.Parameter, context: click.Context) -> str:
    if not isinstance(parameter, click.Option):
        return _name(parameter)
    return f"{_name(parameter)} {parameter.make_metavar(context)}"


def _refusal(parameter: click.Parameter, message: str) -> str:
    """What goes after the name of the parameter whose value was refused."""
    refused = _REFUSED.fullmatch(message)
    wanted = _wanted(parameter.type)
    if refused is None or wanted is None:
        return f": {message.removesuffix('.')}"
    return f" takes {wanted}, not {refused[1]}"


def _wanted(kind: click.ParamType[Any]) -> str | None:
    """The values that one of Click's types takes."""
    match kind:
        case click.Choice():
            return f"one of {', '.join(map(str, kind.choices))}"
        case click.IntRange() | click.FloatRange():
            number = "a whole number" if isinstance(kind, click.IntRange) else "a number"
            lowest = "above" if kind.min_open else "of at least"
            highest = "below" if kind.max_open else "of at most"
            limits = [
                f"{word} {limit}"
                for word, limit in ((lowest, kind.min), (highest, kind.max))
                if limit is not None
            ]
            return " ".join([number, " and ".join(limits)]).strip()
    return {"integer": "a whole number", "float": "a number"}.get(kind.name)


def _without_its_value(error: click.BadOptionUsage, context: click.Context) -> str:
    option = next(
        (p for p in context.command.params if error.option_name in (*p.opts, *p.secondary_opts)),
        None,
    )
    if option is None or "does not take a value" in error.message:
        return f"{error.option_name} takes no value"
    example = example_of(context.command, option)
    text = f"{error.option_name} needs a value, {option.make_metavar(context)}"
    return text if example is None else f"{text}, as in `{example}`"


def _options(context: click.Context | None) -> list[str]:
    if context is None:
        return []
    return [name for parameter in context.command.params for name in parameter.opts]


def _commands(context: click.Context) -> list[str]:
    group = context.command
    return group.list_commands(context) if isinstance(group, click.Group) else []


def _nearest(word: str, words: Iterable[str]) -> str:
    near = get_close_matches(word, words, n=1, cutoff=LIKENESS)
    return f"; did you mean {near[0]}?" if near else ""
