"""How a calibration is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from routectl.cli import targets
from routectl.cli.caveats import caveat_text, units_text
from routectl.cli.console import Console, dollars, pair_text, percent, percent_range, when
from routectl.cli.policy_text import (
    config_string_of,
    filters_text,
    router_text,
    runs_text,
)
from routectl.cli.saving_table import (
    assumption_rows,
    other_models,
    saving_rows,
    suggestion_lines,
)
from routectl.cli.segment_table import print_segments, threshold_text
from routectl.cli.unit_table import unit_rows
from routectl.records import IdKind

if TYPE_CHECKING:
    from routectl.calibration import (
        Certainty,
        Choice,
        Cut,
        Interval,
        SelfCheck,
    )
    from routectl.prices import ModelPrice
    from routectl.workflow.calibrating.pricing import Costs
    from routectl.workflow.calibrating.recorded import RecordedCalibration


def print_calibrations(console: Console, results: Sequence[RecordedCalibration]) -> None:
    """One calibration in full, or several side by side."""
    if len(results) == 1:
        _print_in_full(console, results[0])
    else:
        _print_side_by_side(console, results)
    for result in results:
        for sentence in _cautions(result):
            console.note(sentence if len(results) == 1 else f"{result.router.name}: {sentence}")


def print_again(console: Console, result: RecordedCalibration) -> None:
    """A recorded calibration as it was printed when it was made."""
    for note in result.notes:
        console.note(note)
    print_calibrations(console, [result])
    if not result.is_complete:
        console.note(
            f"{IdKind.CALIBRATION.ref(result.id)} was recorded by an older routectl: what that one "
            "did not record is left out (the notes on the population, and how many requests a "
            "sample stands for)"
        )


def short_lines(result: RecordedCalibration) -> list[str]:
    """A calibration in two lines."""
    interval = result.choice.certainty.long_run
    return [
        f"Calibrated {IdKind.CALIBRATION.ref(result.id)} on {_requests(result)}.",
        f"It sends {percent(result.choice.cut.strong_fraction, 2)} to the strong model, in the "
        f"long run {_interval(interval)} ({percent(interval.confidence, 0)} interval).",
    ]


def to_json(result: RecordedCalibration) -> dict[str, object]:
    """A calibration for programs: one shape wherever it is printed. docs/json.md says what is what.

    None is what an older record does not hold.
    """
    pair, choice = result.router.model_pair, result.choice
    strong, weak = (None, None) if pair is None else (pair.strong, pair.weak)
    cut, certainty, target = asdict(choice.cut), choice.certainty, choice.target.to_json()
    del cut["spending"]  # `costs` has it, with the prices
    return {
        "calibration_id": result.id,
        "created_at": result.created_at,
        "route": result.route,
        "run": result.run,
        "actor": result.actor,
        "note": result.note,
        "config_string": config_string_of(result.policy),
        "router": result.router.name,
        "checkpoint": result.policy.routers[0].spec.checkpoint,
        "fingerprint": result.router.fingerprint,
        "model_pair": None if pair is None else asdict(pair),
        "strong_model": strong,
        "weak_model": weak,
        "scored_as": result.router.scored_as,
        "noise": result.router.noise,
        "models": result.policy.models,
        "quality": result.quality and result.quality.to_json(),
        "other_models": result.other_models and result.other_models.to_json(),
        "suggested_route": result.suggestion,
        "population": result.population,
        "target": target,
        "at_most": target.get("at_most", False),
        "guarantee": target.get("guarantee"),
        **cut,
        **asdict(certainty),
        "rough": certainty.rough,
        "many_undecided": certainty.many_undecided,
        "intervals": result.intervals,
        "self_check": _self_check_json(choice.self_check),
        "self_check_skipped": choice.self_check_skipped,
        "excluded_by_reason": result.excluded,
        "longer_than_read": result.longer_than_read,
        "costs": result.costs and result.costs.to_json(),
        "segments": result.segments,
        "unit": result.policy.unit,
        "conversations": result.conversations and result.conversations.to_json(),
        "weight": result.weight,
        "model_groups": result.model_groups,
        "sample_ids": result.sample_ids,
        "rows_digest": result.rows_digest,
        "missed_by": result.missed_by,
        "warnings": warnings(result),
        "policy": result.policy.to_json() if result.has_policy else None,
    }


def _self_check_json(check: SelfCheck | None) -> dict[str, object] | None:
    if check is None:
        return None
    return asdict(check) | {"split_at": datetime.fromtimestamp(check.split_at, UTC)}


def _print_in_full(console: Console, result: RecordedCalibration) -> None:
    """What was asked first; below a line what it rests on."""
    console.table(_answer(result))
    for line in suggestion_lines(result):
        console.line(line)
    console.line(_what_the_proxy_takes(result))
    print_segments(console, result.policy, result.choice.segmented)
    console.line()
    console.line("What it rests on")
    console.table(grounds(result))
    console.line()
    _print_shares(console, result.choice.cut, result.costs)


def _answer(result: RecordedCalibration) -> list[tuple[str, str]]:
    cut, certainty = result.choice.cut, result.choice.certainty
    long_run, next_share = certainty.long_run, certainty.next_share
    at = f"{percent(long_run.confidence, 0)} interval"
    rows = [
        ("threshold", threshold_text(result)),
        ("strong fraction", f"{percent(cut.strong_fraction, 2)} of the requests"),
    ]
    passed_over = passed_over_sentence(cut)
    if passed_over is not None:
        rows.append(("passed over", passed_over))
    rows += [
        *targets.rows(result),
        ("long-run share", f"{_interval(long_run)} ({at})"),
        (f"next {certainty.next_requests:,} requests", f"{_interval(next_share)} ({at})"),
        *saving_rows(result),
    ]
    return rows


def grounds(result: RecordedCalibration) -> list[tuple[str, str]]:
    """Rows of a table: what the answer rests on."""
    cut, certainty = result.choice.cut, result.choice.certainty
    name = "not recorded" if result.id is None else IdKind.CALIBRATION.ref(result.id)
    rows = [
        ("calibration", f"{name} of route {result.route}, {when(result.created_at)}"),
        ("made by", result.actor),
        *([("note", result.note)] if result.note else []),
        ("router", router_text(result.policy)),
        ("model pair", pair_text(result.router) or "none: a baseline"),
        ("population", filters_text(result.population)),
        ("requests", _requests(result)),
        *unit_rows(result),
        ("target", targets.full(result.choice.target)),
        *([("nearest shares", _nearest_shares(cut))] if result.segments is None else []),
        ("effective sample", _effective(certainty)),
        ("undecided", f"{percent(certainty.undecided, 2)} within the router's noise"),
        ("check in time", _check_in_time(result.choice)),
    ]
    if certainty.excluded:
        reasons = ", ".join(
            f"{weight:,.0f} {reason.replace('_', ' ')}"
            for reason, weight in sorted(result.excluded.items())
        )
        bounds = percent_range(certainty.strong_fraction_low, certainty.strong_fraction_high, 2)
        rows.append(("not seen", f"{reasons}; with them the share is {bounds}"))
    if result.costs is not None:
        rows.append(("price of strong", _price(result.costs.strong)))
        rows.append(("price of weak", _price(result.costs.weak)))
    rows += assumption_rows(result)
    return rows


def passed_over_sentence(cut: Cut) -> str | None:
    """That a share nearer to the target was reachable; None where it would print as the same."""
    nearer = cut.passed_over
    if nearer is None or percent(nearer.share, 2) == percent(cut.strong_fraction, 2):
        return None
    why = (
        "within less than the router's noise"
        if nearer.within_noise
        else f"in a gap of {nearer.gap:.1g} between two scores"
    )
    return f"{percent(nearer.share, 2)} was reachable, {why}; the cut with the widest gap was taken"


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


def _print_side_by_side(console: Console, results: Sequence[RecordedCalibration]) -> None:
    first = results[0]
    spent = dollars([None if r.costs is None else r.costs.spending.this_threshold for r in results])
    # There is room for one of the two.
    priced = any(result.costs is not None for result in results)
    console.table(
        [
            ("target", targets.full(first.choice.target)),
            ("population", filters_text(first.population)),
            ("requests", _requests(first)),
        ]
    )
    console.line()
    console.table(
        [
            (
                result.router.name,
                IdKind.CALIBRATION.ref(result.id),
                result.choice.cut.threshold,
                percent(result.choice.cut.strong_fraction, 2),
                _interval(result.choice.certainty.long_run),
                _interval(result.choice.certainty.next_share),
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
        console.line(_what_the_proxy_takes(result) + (f"  {pair}" if pair else ""))
    for result in results:
        print_segments(console, result.policy, result.choice.segmented)


def _what_the_proxy_takes(result: RecordedCalibration) -> str:
    text = config_string_of(result.policy)
    if text is not None:
        return f"Config string: {text}"
    return f"Config string: none can say it ({runs_text(result.policy)}); take --format routes"


def warnings(result: RecordedCalibration) -> list[str]:
    """All that was noted, and what a reader must know before they use the threshold."""
    return [*result.notes, *_cautions(result)]


def _cautions(result: RecordedCalibration) -> list[str]:
    said = [caveat_text(caveat) for caveat in result.caveats]
    if result.other_models is not None:
        said.append(other_models(result.other_models))
    return said


def _requests(result: RecordedCalibration) -> str:
    certainty = result.choice.certainty
    text = f"{certainty.requests:,} requests, {certainty.prompts:,} distinct prompts"
    if result.weight is not None and round(result.weight) != certainty.requests:
        text += f", standing for {result.weight:,.0f} requests"
    return text


def _price(price: ModelPrice) -> str:
    return (
        f"{price.input.normalize():f} in, {price.output.normalize():f} out, USD per million tokens "
        f"({price.source})"
    )


def _interval(interval: Interval) -> str:
    return percent_range(interval.low, interval.high)


def _nearest_shares(cut: Cut) -> str:
    below, above = cut.next_share_below, cut.next_share_above
    return f"{percent(below, 2)} and {percent(above, 2)}"


def _effective(certainty: Certainty) -> str:
    for_one_point = f"+-1 point takes {certainty.requests_for_one_point:,} requests"
    if certainty.days_for_one_point is not None:
        for_one_point += f", {certainty.days_for_one_point:,} days like these"
    return (
        f"{certainty.n_eff:,.0f} independent requests, from {_decided(certainty)}; {for_one_point}"
    )


def _decided(certainty: Certainty) -> str:
    """The independent parts of the sample, and which of them decides how sure the share is."""
    units = units_text(certainty.clusters, certainty.cluster_kind)
    if certainty.cluster_kind == "prompt" and certainty.recurring_prompts:
        # Requests with a recurring prompt are each a unit.
        units = f"{certainty.clusters:,} groups of requests by prompt"
    if not certainty.days:
        return units
    days = f"{certainty.days} day{'' if certainty.days == 1 else 's'}"
    return f"{days}, {units}; {certainty.decided_by}s decide"


def _check_in_time(choice: Choice) -> str:
    check = choice.self_check
    if check is None:
        return f"not done: {choice.self_check_skipped}"
    since = datetime.fromtimestamp(check.split_at, UTC)
    return (
        f"{'held' if check.inside else 'MISSED'}: {percent(check.later_share)} from "
        f"{since:%Y-%m-%d} on, expected {percent_range(check.low, check.high)}"
    )
