"""How a target is asked for on the command line, and shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from routectl.workflow.calibrating.recorded import RecordedCalibration
    from routectl.workflow.calibrating.run import Target


@dataclass(frozen=True, slots=True)
class TargetOption:
    """One target."""

    name: str
    """The parameter whose value asks for it, which is also its key in the stored JSON."""
    options: tuple[Callable[[Any], Any], ...]
    """Click's decorators: the one that asks for it first."""
    only_with_it: tuple[str, ...]
    """Parameters that mean nothing to another target."""
    example: str
    target: Callable[[Mapping[str, Any]], Target]
    """Of the values of all targets' parameters, by name."""
    brief: Callable[[Mapping[str, Any]], str]
    """Of the stored JSON: a cell of a list."""
    full: Callable[[Mapping[str, Any]], str]
    """Of the stored JSON: a line of its own."""
    rows: Callable[[RecordedCalibration], Iterable[tuple[str, str]]]
    """What its answer says besides the share."""

    @property
    def flag(self) -> str:
        """The option that asks for it."""
        return flag(self.name)


def flag(parameter: str) -> str:
    """The option that sets a parameter."""
    return "--" + parameter.replace("_", "-")
