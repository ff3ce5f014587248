"""The targets of `calibrate`. A new one is a module here and a line in `TARGETS`."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import click

from routectl.cli import options
from routectl.cli.options import Command
from routectl.cli.targets.budget import BUDGET
from routectl.cli.targets.max_loss import MAX_LOSS, MIN_QUALITY
from routectl.cli.targets.option import TargetOption, flag
from routectl.cli.targets.strong_fraction import STRONG_FRACTION
from routectl.errors import UsageError

if TYPE_CHECKING:
    from routectl.workflow.calibrating.recorded import RecordedCalibration
    from routectl.workflow.calibrating.run import Target

TARGETS = (STRONG_FRACTION, BUDGET, MAX_LOSS, MIN_QUALITY)

_tolerance = click.option(
    "--tolerance",
    default="0.02",
    show_default=True,
    callback=options.fraction,
    metavar="SHARE",
    help="Exit with 3 when the share is further from the target than this.",
)


def target(command: Command) -> Command:
    """Adds the options of all targets, and hands the command the one target that they ask for."""

    @functools.wraps(command)
    def run(*args: Any, tolerance: float, **given: Any) -> Any:
        own = {name for option in TARGETS for name in (option.name, *option.only_with_it)}
        shared = {"tolerance": tolerance, "confidence": given["confidence"]}
        values = {name: given.pop(name) for name in own} | shared
        return command(*args, target=_asked(values), **given)

    decorated: Any = run
    decorators = [*(option for t in TARGETS for option in t.options), _tolerance]
    for decorate in reversed(decorators):
        decorated = decorate(decorated)
    return cast(Command, decorated)


def _asked(values: Mapping[str, Any]) -> Target:
    """The target of a command line."""
    command = click.get_current_context().command_path
    chosen = [option for option in TARGETS if values[option.name] is not None]
    if len(chosen) != 1:
        wanted = " or ".join(option.flag for option in TARGETS)
        example = f"`{command} {(chosen or TARGETS)[0].example}`"
        if chosen:
            both = " and ".join(option.flag for option in chosen)
            raise UsageError(f"{both} are two targets, and `{command}` takes one, as in {example}")
        raise UsageError(f"`{command}` needs a target, {wanted}, as in {example}")
    (option,) = chosen
    for other in TARGETS:
        foreign = [name for name in other.only_with_it if name not in option.only_with_it]
        misplaced = [name for name in foreign if values[name] not in (None, False)]
        if misplaced:
            raise UsageError(f"{flag(misplaced[0])} goes with {other.flag}, not with {option.flag}")
    return option.target(values)


def brief(stored: Mapping[str, Any]) -> str:
    """A stored target in a cell of a list."""
    option = _of(stored)
    return "of a newer routectl" if option is None else option.brief(stored)


def full(target: Target) -> str:
    """A target in a line of its own."""
    stored = target.to_json()
    option = _of(stored)
    assert option is not None
    return option.full(stored)


def rows(result: RecordedCalibration) -> Iterable[tuple[str, str]]:
    """What a calibration's answer says of its target besides the share."""
    option = _of(result.choice.target.to_json())
    assert option is not None
    return option.rows(result)


def _of(stored: Mapping[str, Any]) -> TargetOption | None:
    return next((option for option in TARGETS if option.name in stored), None)
