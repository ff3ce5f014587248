"""How a difference between two policies is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from routectl.cli.console import Console, dollars, minute, percent
from routectl.cli.policy_text import filters_text, runs_text
from routectl.cli.saving_table import month_rows
from routectl.prices import CURRENCY
from routectl.records import IdKind

if TYPE_CHECKING:
    from routectl.workflow.activating.comparing import Difference, Moves
    from routectl.workflow.policies.deciding import NamedPolicy


def print_difference(console: Console, result: Difference) -> None:
    """What moves, at what cost, and in which segments."""
    moves = result.all
    console.line(
        f"Route {result.route}: {result.before.ref} -> {result.after.ref}, "
        f"{moves.moved:,.0f} of {moves.requests:,.0f} requests "
        f"({percent(_share(moves.moved, moves), 2)}) would get another model."
    )
    console.line()
    console.table(
        [
            ("was", _policy_text(result.before)),
            ("now", _policy_text(result.after)),
            ("population", filters_text(result.population.to_json())),
            ("requests", _requests(result)),
            ("to a stronger model", _count(moves.stronger, moves)),
            ("to a weaker model", _count(moves.weaker, moves)),
            (
                "strong fraction",
                f"{percent(_share(moves.strong_before, moves), 2)} -> "
                f"{percent(_share(moves.strong_after, moves), 2)}",
            ),
            ("a month", _cost_text(result)),
            *month_rows(result.month),
        ]
    )
    if result.segments:
        changes = _changes([segment.moves.cost_change for segment in result.segments])
        console.line()
        console.table(
            [
                (
                    f"{segment.field}={'(none)' if segment.value is None else segment.value}",
                    f"{segment.moves.requests:,.0f}",
                    f"{segment.moves.stronger:,.0f}",
                    f"{segment.moves.weaker:,.0f}",
                    percent(_share(segment.moves.moved, segment.moves)),
                    change,
                )
                for segment, change in zip(result.segments, changes, strict=True)
            ],
            headers=[
                "most moves in",
                "requests",
                "to stronger",
                "to weaker",
                "moved",
                f"{CURRENCY} a month",
            ],
            wrapped=(0,),
        )
    for sentence in warnings(result):
        console.note(sentence)


def to_json(result: Difference) -> dict[str, object]:
    """A difference for programs. Requests count for as many as they stand for."""
    return {
        "route": result.route,
        "before": _policy_json(result.before),
        "after": _policy_json(result.after),
        "population": result.population.to_json(),
        "first": result.first,
        "last": result.last,
        **_moves_json(result.all),
        "unscored": result.unscored,
        "without_prompt": result.without_prompt,
        "currency": CURRENCY,
        "month": result.month and result.month.to_json(),
        "no_cost": result.no_cost,
        "segments": [
            {"field": segment.field, "value": segment.value, **_moves_json(segment.moves)}
            for segment in result.segments
        ],
        "warnings": warnings(result),
    }


def warnings(result: Difference) -> list[str]:
    """What was left out of the comparison."""
    said = []
    if result.unscored:
        said.append(
            f"{result.unscored:,.0f} requests have no score by a router of the two and are left "
            "out: `routectl score` scores them"
        )
    if result.without_prompt:
        said.append(
            f"{result.without_prompt:,.0f} requests have no prompt to score and are left out"
        )
    return said


def _policy_text(named: NamedPolicy) -> str:
    made = "" if named.kind is IdKind.CALIBRATION else _calibration_of(named)
    return f"{named.ref}{made}: {runs_text(named.policy)}"


def _calibration_of(named: NamedPolicy) -> str:
    if named.calibration is None:
        return ""
    return f" ({IdKind.CALIBRATION.ref(named.calibration.id)})"


def _requests(result: Difference) -> str:
    text = f"{result.all.requests:,.0f}"
    if result.first is not None and result.last is not None:
        text += f", {minute(result.first)} to {minute(result.last)} UTC"
    return text


def _cost_text(result: Difference) -> str:
    before, after, change = result.all.cost_before, result.all.cost_after, result.all.cost_change
    if before is None or after is None or change is None:
        return f"no {CURRENCY}: {result.no_cost}"
    texts = dollars([before, after, abs(change)])
    return f"{texts[0]} -> {texts[1]} {CURRENCY} ({_sign(change)}{texts[2]})"


def _changes(amounts: Sequence[float | None]) -> list[str]:
    """A column of US dollars with their signs."""
    texts = dollars([None if amount is None else abs(amount) for amount in amounts])
    return [
        text if amount is None else f"{_sign(amount)}{text}"
        for amount, text in zip(amounts, texts, strict=True)
    ]


def _sign(amount: float) -> str:
    return "-" if amount < 0 else "+"


def _count(requests: float, moves: Moves) -> str:
    return f"{requests:,.0f} ({percent(_share(requests, moves), 2)})"


def _share(requests: float, moves: Moves) -> float:
    return requests / moves.requests


def _policy_json(named: NamedPolicy) -> dict[str, object]:
    return {
        "id": named.ref,
        "calibration_id": named.calibration_id,
        "runs": runs_text(named.policy),
        "policy": named.policy.to_json(),
    }


def _moves_json(moves: Moves) -> dict[str, object]:
    return {
        "requests": moves.requests,
        "moved": moves.moved,
        "stronger": moves.stronger,
        "weaker": moves.weaker,
        "strong_fraction_before": _share(moves.strong_before, moves),
        "strong_fraction_after": _share(moves.strong_after, moves),
        "cost_a_month_before": moves.cost_before,
        "cost_a_month_after": moves.cost_after,
        "cost_a_month_change": moves.cost_change,
    }
