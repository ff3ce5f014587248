"""`calibrate --budget`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from routectl.cli.targets.option import TargetOption

if TYPE_CHECKING:
    from routectl.workflow.calibrating.recorded import RecordedCalibration
    from routectl.workflow.calibrating.run import Target

_FORM = re.compile(r"\$?(?P<usd>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?: ?USD)?/month")


def _amount(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """US dollars a month."""
    if value is None:
        return None
    form = _FORM.fullmatch(value.strip())
    usd = 0.0 if form is None else float(form["usd"].replace(",", ""))
    if not 0.0 < usd < 1e15:
        raise click.BadParameter(f"{value!r} is no number of US dollars a month, as in 5000/month")
    return usd


def _target(values: Mapping[str, Any]) -> Target:
    from routectl.workflow.calibrating.run import Budget

    return Budget(values["budget"], values["tolerance"])


def _brief(stored: Mapping[str, Any]) -> str:
    return f"{stored['budget']:,.2f} USD"


def _full(stored: Mapping[str, Any]) -> str:
    return f"{stored['budget']:,.2f} USD in 30 days at most"


def _rows(result: RecordedCalibration) -> Iterator[tuple[str, str]]:
    month = result.choice.month
    if month is not None:
        budget = _full(result.choice.target.to_json())
        yield "budget", f"{budget}; this threshold takes {month.this_threshold:,.2f}"


BUDGET = TargetOption(
    name="budget",
    options=(
        click.option(
            "--budget",
            callback=_amount,
            metavar="USD/month",
            help="The most US dollars that 30 days may cost, at the log's own rate: 5000/month.",
        ),
    ),
    only_with_it=(),
    example="--budget 5000/month",
    target=_target,
    brief=_brief,
    full=_full,
    rows=_rows,
)
