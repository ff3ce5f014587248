"""How a calibration is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from routectl.cli.console import Console, dollars, pair_text, percent, when

if TYPE_CHECKING:
    from routectl.calibration import Choice
    from routectl.prices import ModelPrice
    from routectl.workflow.calibrating import CalibrationResult
    from routectl.workflow.pricing import Costs


def print_calibrations(console: Console, results: Sequence[CalibrationResult]) -> None:
    """One calibration in full, or several side by side."""
    if len(results) == 1:
        _print_in_full(console, results[0])
    else:
        _print_side_by_side(console, results)
    for result in results:
        for warning in warnings(result):
            console.note(warning if len(results) == 1 else f"{result.router.name}: {warning}")


def to_json(result: CalibrationResult) -> dict[str, object]:
    """A calibration for programs."""
    pair = result.router.model_pair
    return {
        "calibration_id": result.id,
        "created_at": result.created_at,
        "config_string": result.policy.config_string(),
        "router": result.router.name,
        "fingerprint": result.router.fingerprint,
        "model_pair": None if pair is None else asdict(pair),
        "scored_as": result.router.scored_as,
        "noise": result.router.noise,
        **asdict(result.choice),
        "excluded_by_reason": result.excluded,
        "longer_than_read": result.longer_than_read,
        "costs": result.costs and result.costs.to_json(),
        "model_groups": result.overview.model_groups,
        "sample_ids": result.overview.sample_ids,
        "rows_digest": result.rows_digest,
        "missed_by": result.missed_by,
        "warnings": warnings(result),
    }


def _print_in_full(console: Console, result: CalibrationResult) -> None:
    choice = result.choice
    long_run, next_share = choice.long_run, choice.next_share
    at = f"{percent(long_run.confidence, 0)} interval"
    rows = [
        ("calibration", f"{result.id}, {when(result.created_at)}"),
        ("router", f"{result.router.name}, fingerprint {result.router.fingerprint[:12]}"),
        ("model pair", pair_text(result.router) or "none: a baseline"),
        ("population", _population(result)),
        ("target", f"{percent(choice.target)} strong{', at most' if choice.at_most else ''}"),
        ("threshold", choice.threshold),
        ("strong fraction", f"{percent(choice.strong_fraction, 2)} of the requests"),
        ("reachable beside it", _beside(choice)),
        ("long-run share", f"{_range(long_run.low, long_run.high)} ({at})"),
        (
            f"next {choice.next_requests:,} requests",
            f"{_range(next_share.low, next_share.high)} ({at})",
        ),
        ("effective sample", _effective(choice)),
        ("undecided", f"{percent(choice.undecided, 2)} within the router's noise"),
        ("check in time", _check_in_time(choice)),
    ]
    if choice.excluded:
        reasons = ", ".join(
            f"{weight:,.0f} {reason.replace('_', ' ')}"
            for reason, weight in sorted(result.excluded.items())
        )
        bounds = _range(choice.strong_fraction_low, choice.strong_fraction_high, 2)
        rows.append(("not seen", f"{reasons}; with them the share is {bounds}"))
    if result.costs is not None:
        rows.append(("price of strong", _price(result.costs.strong)))
        rows.append(("price of weak", _price(result.costs.weak)))
    console.table(rows)
    console.line()
    _print_shares(console, choice, result.costs)
    console.line()
    console.line(f"Config string: {result.policy.config_string()}")


def _print_shares(console: Console, choice: Choice, costs: Costs | None) -> None:
    fraction = choice.strong_fraction
    rows = [
        ("this threshold", fraction, choice.token_share or 0.0, choice.spend_share or 0.0),
        ("random, same share", fraction, fraction, fraction),
        ("always strong", 1.0, 1.0, 1.0),
        ("always weak", 0.0, 0.0, 0.0),
    ]
    cells = [
        [
            name,
            percent(requests),
            percent(tokens if choice.token_share is not None else None),
            percent(spend if choice.spend_share is not None else None),
        ]
        for name, requests, tokens, spend in rows
    ]
    headers = ["to the strong model", "requests", "tokens", "booked cost"]
    if costs is not None:
        spent = costs.spending
        amounts = [spent.this_threshold, spent.random, spent.always_strong, spent.always_weak]
        for row, text in zip(cells, dollars(amounts), strict=True):
            row.append(text)
        headers.append("USD per 1,000 requests")
    console.table(cells, headers=headers)


def _print_side_by_side(console: Console, results: Sequence[CalibrationResult]) -> None:
    first = results[0]
    spent = dollars([None if r.costs is None else r.costs.spending.this_threshold for r in results])
    # There is room for one of the two.
    priced = any(result.costs is not None for result in results)
    console.line(f"Target: {percent(first.choice.target)} strong of {_population(first)}")
    console.line()
    console.table(
        [
            (
                result.router.name,
                str(result.id),
                result.choice.threshold,
                percent(result.choice.strong_fraction, 2),
                _range(result.choice.long_run.low, result.choice.long_run.high),
                _range(result.choice.next_share.low, result.choice.next_share.high),
                percent(result.choice.undecided, 2),
                amount if priced else percent(result.choice.token_share),
            )
            for result, amount in zip(results, spent, strict=True)
        ],
        headers=[
            "router",
            "id",
            "threshold",
            "strong",
            "long run",
            f"next {first.choice.next_requests:,}",
            "undecided",
            "USD/1,000" if priced else "tokens",
        ],
    )
    console.line()
    for result in results:
        pair = pair_text(result.router)
        text = result.policy.config_string()
        console.line(f"Config string: {text}" + (f"  {pair}" if pair else ""))


def warnings(result: CalibrationResult) -> list[str]:
    """What a reader must know before they use the threshold."""
    choice = result.choice
    found = []
    if choice.lowest_share is not None:
        found.append(
            f"scores of exactly 1.0 pass every threshold, so at least "
            f"{percent(choice.lowest_share, 2)} goes to the strong model; "
            "`routectl activate --always-weak` is a setting of the route"
        )
    elif choice.tie is not None:
        tie = choice.tie
        found.append(
            f"{tie.requests:,.0f} requests share the score {tie.score:.6g}, so "
            f"{percent(choice.target)} cannot be reached: the shares beside it are "
            f"{percent(tie.share_below, 2)} and {percent(tie.share_above, 2)}"
        )
    if choice.rough:
        found.append(
            f"only {choice.clusters:,} independent groups ({choice.cluster_kind}s): "
            "the intervals are rough"
        )
    if choice.many_undecided:
        found.append(
            f"{percent(choice.undecided, 2)} of the requests lie within the router's noise of the "
            "threshold: another machine may decide them otherwise"
        )
    if choice.self_check is not None and not choice.self_check.inside:
        found.append(
            "the check in time failed: the traffic changed within the sample, so use a "
            "shorter or newer population (--since)"
        )
    if result.costs is not None and result.costs.spending.known < 1:
        found.append(
            f"{percent(1 - result.costs.spending.known)} of the requests have no tokens in the "
            "log; the US dollars are those of the others"
        )
    if result.longer_than_read > 0:
        found.append(
            f"{percent(result.longer_than_read)} of the requests have a prompt longer than the "
            "router reads; it reads a part of them"
        )
    return found


def _population(result: CalibrationResult) -> str:
    choice = result.choice
    weight = result.overview.weight - sum(result.excluded.values())
    text = f"{choice.requests:,} requests, {choice.prompts:,} distinct prompts"
    if round(weight) != choice.requests:
        text += f", standing for {weight:,.0f} requests"
    return text


def _price(price: ModelPrice) -> str:
    return (
        f"{price.input.normalize():f} in, {price.output.normalize():f} out, USD per million tokens "
        f"({price.source})"
    )


def _range(low: float, high: float, digits: int = 1) -> str:
    return f"{100 * low:.{digits}f} to {100 * high:.{digits}f} %"


def _beside(choice: Choice) -> str:
    below, above = choice.next_share_below, choice.next_share_above
    return f"{percent(below, 2)} and {percent(above, 2)}"


def _effective(choice: Choice) -> str:
    return (
        f"{choice.n_eff:,.0f} independent requests, from {choice.clusters:,} "
        f"{choice.cluster_kind}s; +-1 point takes {choice.requests_for_one_point:,} requests"
    )


def _check_in_time(choice: Choice) -> str:
    check = choice.self_check
    if check is None:
        return f"not done: {choice.self_check_skipped}"
    since = datetime.fromtimestamp(check.split_at, UTC)
    return (
        f"{'held' if check.inside else 'MISSED'}: {percent(check.later_share)} from "
        f"{since:%Y-%m-%d} on, expected {_range(check.low, check.high)}"
    )
