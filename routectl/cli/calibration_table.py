"""How a calibration is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from routectl.cli.console import Console, dollars, pair_text, percent, population_text, when
from routectl.cli.saving_table import other_models, saving_rows, suggestion_lines

if TYPE_CHECKING:
    from routectl.calibration import Caveat, Certainty, Choice, Cut, Interval
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
        "route": result.route,
        "config_string": result.policy.config_string(),
        "router": result.router.name,
        "fingerprint": result.router.fingerprint,
        "model_pair": None if pair is None else asdict(pair),
        "scored_as": result.router.scored_as,
        "noise": result.router.noise,
        **_choice_json(result.choice),
        "excluded_by_reason": result.excluded,
        "longer_than_read": result.longer_than_read,
        "costs": result.costs and result.costs.to_json(),
        "models": result.policy.models,
        "quality": result.quality and result.quality.to_json(),
        "other_models": result.other_models and result.other_models.to_json(),
        "suggested_route": result.suggestion,
        "population": result.population.to_json(),
        "model_groups": result.overview.model_groups,
        "sample_ids": result.overview.sample_ids,
        "rows_digest": result.rows_digest,
        "missed_by": result.missed_by,
        "warnings": warnings(result),
    }


def _choice_json(choice: Choice) -> dict[str, object]:
    cut, certainty = asdict(choice.cut), choice.certainty
    del cut["spending"]  # `costs` has it, with the prices
    return {
        "target": choice.target.share,
        "at_most": choice.target.at_most,
        **cut,
        **asdict(certainty),
        "rough": certainty.rough,
        "many_undecided": certainty.many_undecided,
        "self_check": None if choice.self_check is None else asdict(choice.self_check),
        "self_check_skipped": choice.self_check_skipped,
    }


def _print_in_full(console: Console, result: CalibrationResult) -> None:
    target, cut, certainty = result.choice.target, result.choice.cut, result.choice.certainty
    long_run, next_share = certainty.long_run, certainty.next_share
    at = f"{percent(long_run.confidence, 0)} interval"
    rows = [
        ("calibration", f"{result.id} of route {result.route}, {when(result.created_at)}"),
        ("router", f"{result.router.name}, fingerprint {result.router.fingerprint[:12]}"),
        ("model pair", pair_text(result.router) or "none: a baseline"),
        ("population", _population(result)),
        ("filters", population_text(result.population)),
        ("target", f"{percent(target.share)} strong{', at most' if target.at_most else ''}"),
        ("threshold", cut.threshold),
        ("strong fraction", f"{percent(cut.strong_fraction, 2)} of the requests"),
        ("reachable beside it", _beside(cut)),
        ("long-run share", f"{_interval(long_run)} ({at})"),
        (
            f"next {certainty.next_requests:,} requests",
            f"{_interval(next_share)} ({at})",
        ),
        ("effective sample", _effective(certainty)),
        ("undecided", f"{percent(certainty.undecided, 2)} within the router's noise"),
        ("check in time", _check_in_time(result.choice)),
    ]
    if certainty.excluded:
        reasons = ", ".join(
            f"{weight:,.0f} {reason.replace('_', ' ')}"
            for reason, weight in sorted(result.excluded.items())
        )
        bounds = _range(certainty.strong_fraction_low, certainty.strong_fraction_high, 2)
        rows.append(("not seen", f"{reasons}; with them the share is {bounds}"))
    if result.costs is not None:
        rows.append(("price of strong", _price(result.costs.strong)))
        rows.append(("price of weak", _price(result.costs.weak)))
    rows += saving_rows(result)
    console.table(rows)
    console.line()
    _print_shares(console, cut, result.costs)
    console.line()
    for line in suggestion_lines(result):
        console.line(line)
    console.line(f"Config string: {result.policy.config_string()}")


def _print_shares(console: Console, cut: Cut, costs: Costs | None) -> None:
    fraction = cut.strong_fraction
    rows = [
        ("this threshold", fraction, cut.token_share or 0.0, cut.spend_share or 0.0),
        ("random, same share", fraction, fraction, fraction),
        ("always strong", 1.0, 1.0, 1.0),
        ("always weak", 0.0, 0.0, 0.0),
    ]
    cells = [
        [
            name,
            percent(requests),
            percent(tokens if cut.token_share is not None else None),
            percent(spend if cut.spend_share is not None else None),
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
    console.line(f"Target: {percent(first.choice.target.share)} strong of {_population(first)}")
    console.line(f"Filters: {population_text(first.population)}")
    console.line()
    console.table(
        [
            (
                result.router.name,
                str(result.id),
                result.choice.cut.threshold,
                percent(result.choice.cut.strong_fraction, 2),
                _interval(result.choice.certainty.long_run),
                _interval(result.choice.certainty.next_share),
                percent(result.choice.certainty.undecided, 2),
                amount if priced else percent(result.choice.cut.token_share),
            )
            for result, amount in zip(results, spent, strict=True)
        ],
        headers=[
            "router",
            "id",
            "threshold",
            "strong",
            "long run",
            f"next {first.choice.certainty.next_requests:,}",
            "undecided",
            "USD/1,000" if priced else "tokens",
        ],
    )
    console.line()
    for result in results:
        for name, text in saving_rows(result):
            console.line(f"{result.router.name} {name}: {text}")
    for line in suggestion_lines(first):
        console.line(line)
    for result in results:
        pair = pair_text(result.router)
        text = result.policy.config_string()
        console.line(f"Config string: {text}" + (f"  {pair}" if pair else ""))


def warnings(result: CalibrationResult) -> list[str]:
    """What a reader must know before they use the threshold."""
    said = [_sentence(caveat) for caveat in result.caveats]
    if result.other_models is not None:
        said.append(other_models(result.other_models))
    return said


def _sentence(caveat: Caveat) -> str:
    facts: Mapping[str, Any] = caveat.facts
    match caveat.code:
        case "scores_of_one":
            return (
                f"scores of exactly 1.0 pass every threshold, so at least "
                f"{percent(facts['lowest_share'], 2)} goes to the strong model; "
                "`routectl activate --always-weak` is a setting of the route"
            )
        case "tie":
            return (
                f"{facts['requests']:,.0f} requests share the score {facts['score']:.6g}, so "
                f"{percent(facts['target'])} cannot be reached: the shares beside it are "
                f"{percent(facts['share_below'], 2)} and {percent(facts['share_above'], 2)}"
            )
        case "few_clusters":
            return (
                f"only {facts['clusters']:,} independent groups ({facts['cluster_kind']}s): "
                "the intervals are rough"
            )
        case "many_undecided":
            return (
                f"{percent(facts['undecided'], 2)} of the requests lie within the router's noise "
                "of the threshold: another machine may decide them otherwise"
            )
        case "check_in_time_failed":
            return (
                "the check in time failed: the traffic changed within the sample, so use a "
                "shorter or newer population (--since)"
            )
        case "cost_unknown":
            return (
                f"{percent(facts['unknown'])} of the requests have no tokens in the log; the US "
                "dollars are those of the others"
            )
        case "longer_than_read":
            return (
                f"{percent(facts['longer_than_read'])} of the requests have a prompt longer than "
                "the router reads; it reads a part of them"
            )


def _population(result: CalibrationResult) -> str:
    certainty = result.choice.certainty
    weight = result.overview.weight - sum(result.excluded.values())
    text = f"{certainty.requests:,} requests, {certainty.prompts:,} distinct prompts"
    if round(weight) != certainty.requests:
        text += f", standing for {weight:,.0f} requests"
    return text


def _price(price: ModelPrice) -> str:
    return (
        f"{price.input.normalize():f} in, {price.output.normalize():f} out, USD per million tokens "
        f"({price.source})"
    )


def _range(low: float, high: float, digits: int = 1) -> str:
    return f"{100 * low:.{digits}f} to {100 * high:.{digits}f} %"


def _interval(interval: Interval) -> str:
    return _range(interval.low, interval.high)


def _beside(cut: Cut) -> str:
    below, above = cut.next_share_below, cut.next_share_above
    return f"{percent(below, 2)} and {percent(above, 2)}"


def _effective(certainty: Certainty) -> str:
    return (
        f"{certainty.n_eff:,.0f} independent requests, from {certainty.clusters:,} "
        f"{certainty.cluster_kind}s; +-1 point takes {certainty.requests_for_one_point:,} requests"
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
