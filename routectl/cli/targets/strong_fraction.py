"""`calibrate --strong-fraction`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from routectl.cli import options
from routectl.cli.console import percent
from routectl.cli.targets.option import TargetOption

if TYPE_CHECKING:
    from routectl.workflow.calibrating.recorded import RecordedCalibration
    from routectl.workflow.calibrating.run import Target

_options = (
    click.option(
        "--strong-fraction",
        callback=options.optional_fraction,
        metavar="SHARE",
        help="Share of the requests that should go to the strong model: 0.3 is 30 %.",
    ),
    click.option(
        "--at-most",
        is_flag=True,
        help="Never above --strong-fraction: the nearest share below it.",
    ),
    click.option(
        "--guarantee",
        callback=options.optional_open_fraction,
        metavar="SHARE",
        help="Confidence that the long-run share is not above --strong-fraction: 0.95 is 95 %.",
    ),
)


def _target(values: Mapping[str, Any]) -> Target:
    from routectl.workflow.calibrating.run import StrongFraction

    return StrongFraction(
        values["strong_fraction"], values["at_most"], values["tolerance"], values["guarantee"]
    )


def _brief(stored: Mapping[str, Any]) -> str:
    guarantee = stored.get("guarantee")
    share = percent(stored["strong_fraction"])
    return share if guarantee is None else f"{share} (at {100 * guarantee:g} %)"


def _full(stored: Mapping[str, Any]) -> str:
    text, guarantee = f"{percent(stored['strong_fraction'])} strong", stored.get("guarantee")
    if guarantee is not None:
        return f"{text} at most in the long run, with {100 * guarantee:g} % confidence"
    return f"{text}, at most" if stored.get("at_most") else text


def _rows(result: RecordedCalibration) -> Iterator[tuple[str, str]]:
    guaranteed = result.choice.cut.guaranteed
    guarantee = result.choice.target.to_json().get("guarantee")
    if guaranteed is not None and guarantee is not None:
        yield "long run at most", f"{percent(guaranteed, 2)} ({100 * guarantee:g} % confidence)"


STRONG_FRACTION = TargetOption(
    name="strong_fraction",
    options=_options,
    only_with_it=("at_most", "guarantee"),
    example="--strong-fraction 0.3",
    target=_target,
    brief=_brief,
    full=_full,
    rows=_rows,
)
