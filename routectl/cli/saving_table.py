"""What a calibration saves, and what is known of its quality, in words."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from routectl.cli.console import WIDTH, dollar_range, percent
from routectl.escaping import first_names
from routectl.prices import CURRENCY

if TYPE_CHECKING:
    from routectl.calibration import TrafficMonth
    from routectl.workflow.calibrating.answering import OtherModels
    from routectl.workflow.calibrating.pricing import Booked, Costs, Interval, Month
    from routectl.workflow.calibrating.quality import KnownQuality
    from routectl.workflow.calibrating.recorded import RecordedCalibration


def saving_rows(result: RecordedCalibration) -> Iterator[tuple[str, str]]:
    """Rows of a table: what it saves a month, and what is known of quality.

    Nothing where no models are declared: `suggestion_lines` says how to.
    """
    if result.suggestion is not None:
        return
    costs, month = result.costs, result.choice.month
    if costs is not None and month is not None and month.always_weak is not None:
        yield (
            "30 days cost",
            f"{month.this_threshold:,.2f} USD; always {costs.strong.model} "
            f"{month.always_strong:,.2f}, always {costs.weak.model} {month.always_weak:,.2f}",
        )
        yield from _sure("cost", month.cost_interval, month.next_cost_interval)
    yield "saving", saving(costs)
    if month is not None:
        yield from _sure("saving", month.saving_interval, month.next_saving_interval)
    yield "quality", quality(result)


def suggestion_lines(result: RecordedCalibration) -> list[str]:
    """How the route's models are declared, where they are not; else nothing."""
    if result.suggestion is None:
        return []
    said = "For what it saves, declare the models that you route between:"
    return [said, *_command_lines(result.suggestion)]


def _command_lines(command: str) -> list[str]:
    """A command in as many lines as the width takes, which a shell reads as one."""
    words = [shlex.quote(word) for word in shlex.split(command)]
    name, pairs = words[:4], words[4:]
    lines = [" ".join(name)]
    for option, value in zip(pairs[::2], pairs[1::2], strict=True):
        if len(lines[-1]) + len(option) + len(value) + len("   \\") > WIDTH:
            lines.append(" ")
        lines[-1] += f" {option} {value}"
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]


def saving(costs: Costs | None) -> str:
    """What a month saves, in US dollars, or why that is not known."""
    if costs is None:
        return "not known: the log has no tokens, or a price is missing"
    if isinstance(costs.month, str):
        return f"no monthly figure: {costs.month}"
    return _month(costs.month, costs.strong.model)


def _month(month: Month, strong: str) -> str:
    # By the amounts as they are printed: a difference below a cent is none.
    saved = round(month.saved, 2)
    share = "" if month.saved_share is None else f" ({percent(abs(month.saved_share))})"
    volume = f"at {month.requests:,.0f} requests in 30 days, as in the log"
    if saved < 0:
        return f"none: {-saved:,.2f} USD a month{share} more than always {strong}, {volume}"
    return f"{saved:,.2f} USD a month{share} against always {strong}, {volume}"


def _sure(
    what: str, long_run: Interval | None, coming: Interval | None
) -> Iterator[tuple[str, str]]:
    """How sure an amount of a month is; nothing of an older record."""
    if long_run is None:
        return
    interval = dollar_range(long_run.low, long_run.high)
    text = f"{interval} USD a month ({percent(long_run.confidence, 0)} interval)"
    if coming is not None:
        text += f"; the next month {dollar_range(coming.low, coming.high)}"
    yield f"long-run {what}", text


def assumption_rows(result: RecordedCalibration) -> Iterator[tuple[str, str]]:
    """Rows of a table: what the US dollars rest on. Nothing of an older record."""
    costs, month = result.costs, result.choice.month
    if costs is None or month is None or month.by_weekday is None:
        return
    yield "month", _month_text(month.days, month.empty_days or 0, by_weekday=month.by_weekday)
    models = ((costs.strong, costs.strong_booked), (costs.weak, costs.weak_booked))
    yield "booked cost", ", ".join(_booked(price.model, booked) for price, booked in models)
    yield "answers", _answers(costs)
    if costs.changes_model is not None:
        yield (
            "prompt caches",
            f"{percent(costs.changes_model)} of the requests change model within their "
            "conversation and find no cache of it; its cost is not counted",
        )


def month_rows(month: TrafficMonth | None) -> list[tuple[str, str]]:
    """A row of a table: how figures of 30 days were scaled; nothing where there are none."""
    if month is None:
        return []
    text = _month_text(month.days_seen, month.empty_days, by_weekday=month.by_weekday)
    return [("month", text)]


def _month_text(days_seen: float, empty_days: int, *, by_weekday: bool) -> str:
    rate = "each weekday at its own mean" if by_weekday else "at the mean rate"
    empty = f", {empty_days} of them without a request" if empty_days else ""
    return f"30 days, {rate} of the {days_seen:,.1f} days of the log{empty}"


def _booked(model: str, booked: Booked | None) -> str:
    if booked is None:
        return f"{model} at its price: too few booked answers"
    return f"{model} at {booked.ratio:.2f} of its price ({booked.requests:,} booked answers)"


def _answers(costs: Costs) -> str:
    answers = costs.answers
    if answers is None:
        return "as many tokens with either model: the log does not tell more"
    return (
        f"{costs.weak.model} takes {answers.ratio:.2f} tokens for each of {costs.strong.model}'s, "
        "as in the log at like scores"
    )


def quality(result: RecordedCalibration) -> str:
    """What is known of the router's quality, or how to find out."""
    evaluated = result.quality
    unmeasured = "not measured on your traffic; `routectl label` does"
    if evaluated is None:
        return unmeasured
    if evaluated.on_traffic:
        return f"{_figure(evaluated)} on your traffic"
    return f"{unmeasured}. {_figure(evaluated)} on {evaluated.benchmark}"


def _figure(evaluated: KnownQuality) -> str:
    """An APGR with its interval; an end that is not bounded is written as `any`."""
    models = (
        f"{evaluated.strong_model} / {evaluated.weak_model}, evaluation e{evaluated.evaluation_id}"
    )
    apgr = evaluated.apgr
    if apgr is None or apgr["value"] is None:
        return f"no gap was shown between {models}"
    low, high = ("any" if apgr[end] is None else f"{apgr[end]:.3f}" for end in ("low", "high"))
    return f"APGR {apgr['value']:.3f} ({low} to {high}) of {models}"


def unbooked_text(models: Sequence[str], consequence: str) -> str:
    """A warning that models were booked at nothing which cost something at the route's prices.

    Args:
        consequence: a clause that says what the figures are for that.
    """
    return (
        f"the log books 0 {CURRENCY} for every answer of {first_names(models)}, as LiteLLM does "
        f"for a model that it has no price for, {consequence}: give the proxy the price "
        "(`input_cost_per_token` and `output_cost_per_token`), or the route a price of 0/0 if it "
        "costs nothing"
    )


def other_models(other: OtherModels) -> str:
    """A warning that others than the route's models answered."""
    names = ", ".join(other.models[:3]) + (", ..." if len(other.models) > 3 else "")
    return (
        f"{percent(other.share)} of the requests were answered by models that are not the route's "
        f"({names}): their answers may be longer or shorter than those of its models"
    )
