"""How looks at drift are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from routectl.cli.console import Console, percent
from routectl.cli.policy_text import NO_ROUTES, runs_text
from routectl.cli.status_table import drift_reason, served_text
from routectl.records import IdKind
from routectl.workflow.drifting import drift_limit

if TYPE_CHECKING:
    from routectl.workflow.drifting import Drift, DriftReport, EffectSizes


def print_drift(console: Console, reports: Sequence[DriftReport], limit: int) -> None:
    """Each route: the verdict, what can be seen how soon, effect sizes, and the newest looks."""
    if not reports:
        console.line(NO_ROUTES)
    for index, report in enumerate(reports):
        if index:
            console.line()
        _print_one(console, report, limit)


def to_json(report: DriftReport) -> dict[str, object]:
    """A route's drift for programs."""
    drift, active = report.drift, report.active
    return {
        "route": report.route,
        "activation_id": None if active is None else active.id,
        "calibration_id": None if active is None else active.calibration_id,
        "limit": drift_limit(),
        "tolerance": None if drift is None else drift.tolerance,
        "margin": None
        if drift is None or drift.baseline is None
        else drift.baseline.margin(drift.tolerance),
        "baseline": None if drift is None or drift.baseline is None else asdict(drift.baseline),
        "ringing": [] if drift is None else [asdict(ringing) for ringing in drift.ringing],
        "next_day": report.next_day,
        "next_look": None if report.next_look is None else asdict(report.next_look),
        "delay": None if report.delay is None else asdict(report.delay),
        "effects": None if report.effects is None else asdict(report.effects),
        "decisions": None if report.decisions is None else asdict(report.decisions),
        "served": None if report.served is None else report.served.to_json(),
        "looks": []
        if drift is None
        else [
            {
                "alarm": look.alarm,
                "day": look.day,
                "requests": look.requests,
                "share": look.share,
                "e_value": look.e_value,
                "rang": look.rang,
                "details": dict(look.details),
            }
            for looks in drift.looks.values()
            for look in looks
        ],
    }


def _print_one(console: Console, report: DriftReport, limit: int) -> None:
    active, drift = report.active, report.drift
    if active is None:
        console.line(f"Route {report.route} runs nothing yet, so nothing can drift.")
        return
    ref = IdKind.ACTIVATION.ref(active.id)
    if drift is None:
        console.line(
            f"Route {report.route} runs {runs_text(active.policy)} ({ref}), "
            "whatever the traffic is."
        )
        return
    console.line(f"Route {report.route} runs {runs_text(active.policy)} ({ref}).")
    console.table(facts(report, drift))
    looks = look_rows(drift)
    if looks:
        console.line()
        console.table(looks[:limit], headers=LOOK_HEADERS)


def facts(report: DriftReport, drift: Drift) -> list[tuple[str, str]]:
    """What each alarm says, what can be seen how soon, and effect sizes."""
    return [*_verdicts(report, drift), *_expected(report, drift), *_effects(report.effects)]


LOOK_HEADERS = ("day (UTC)", "alarm", "requests", "share", "expected", "e-value", "")


def look_rows(drift: Drift) -> list[tuple[str, ...]]:
    """A row of a table for each look, newest first."""
    looks = sorted(
        (look for rows in drift.looks.values() for look in rows),
        key=lambda look: (look.day, look.alarm),
        reverse=True,
    )
    return [
        (
            look.day,
            look.alarm,
            f"{look.requests:,.0f}",
            percent(look.share),
            percent(look.details.get("expected")),
            e_value_text(look.e_value),
            "rings" if look.rang else "",
        )
        for look in looks
    ]


def _verdicts(report: DriftReport, drift: Drift) -> list[tuple[str, str]]:
    ringing = {str(ringing.alarm): ringing for ringing in drift.ringing}
    rows = []
    for alarm in ("traffic", "proxy", "fallback"):
        looks = drift.looks.get(alarm, ())
        if alarm in ringing:
            text = f"rings: {drift_reason(asdict(ringing[alarm]))}"
        elif looks:
            text = f"no alarm in {len(looks):,} looks; e-value {e_value_text(looks[-1].e_value)}"
        elif alarm == "traffic":
            text = "not looked at yet: `routectl status` looks at each whole day"
        else:
            text = _not_looked_at(report, drift)
        rows.append((alarm, text))
    if report.served is not None and report.served.is_overridden:
        rows.append(("overridden", served_text(report.served)))
    return rows


def _not_looked_at(report: DriftReport, drift: Drift) -> str:
    """Why there is no look at what the proxy decided."""
    decisions = report.decisions
    if decisions is None or not decisions.count:
        if drift.looks.get("fallback"):
            return "no logged decision of a whole day was by a score that can be compared"
        return "the log has no decision of the proxy by this calibration"
    text = f"{decisions.count:,.0f} decisions so far, "
    if decisions.of_whole_days:
        text += "not looked at yet: `routectl status` looks at each whole day"
    elif drift.looks.get("fallback"):
        text += "none of a further whole day, and none before by a score that can be compared"
    else:
        text += "none of a whole day yet"
    return f"{text}; {percent(decisions.fallback)} of them were not scored in time"


def _expected(report: DriftReport, drift: Drift) -> list[tuple[str, str]]:
    baseline = drift.baseline
    if baseline is None:
        return [
            (
                "baseline",
                "none: the calibration's requests are of fewer than 5 whole days, or have no "
                "times; calibrate on 28 days",
            )
        ]
    rows = [
        (
            "baseline",
            f"{percent(baseline.share)} strong on {baseline.days} days of "
            f"{baseline.requests_a_day:,.0f} requests; a day's share varies by "
            f"{100 * baseline.sd:.1f} points"
            + ("" if not baseline.is_short else "; with fewer than 28 days it is less sure"),
        ),
        (
            "margin",
            f"{100 * baseline.margin(drift.tolerance):.1f} points "
            f"(tolerance {100 * drift.tolerance:g})",
        ),
    ]
    if report.next_look is not None:
        rows.append(("next look", _next_look(report)))
    delay = report.delay
    if delay is not None:
        rows.append(
            (
                f"a shift of {100 * delay.shift:g} points",
                "is not seen within a year"
                if delay.median is None
                else f"is seen within {delay.median} days in half of the cases, "
                + (
                    "and not within a year in one of ten"
                    if delay.ninety_percent is None
                    else f"within {delay.ninety_percent} days in nine of ten"
                ),
            )
        )
    return rows


def _next_look(report: DriftReport) -> str:
    look = report.next_look
    assert look is not None
    if look.first_possible is None:
        return f"at {report.next_day}; it cannot ring within a year"
    if look.first_possible > 1:
        return f"at {report.next_day}; it can first ring {look.first_possible} looks from now"
    ends = [
        f"{word} {percent(share)}"
        for word, share in (("at most", look.rings_to), ("at least", look.rings_from))
        if share is not None
    ]
    return f"at {report.next_day}; it rings if the day's share is {' or '.join(ends)}"


def _effects(effects: EffectSizes | None) -> list[tuple[str, str]]:
    if effects is None:
        return []
    rows = []
    if effects.higher_score is not None:
        rows.append(
            (
                "scores",
                f"a score of the last {effects.days} days is higher than one of the calibration in "
                f"{percent(effects.higher_score)} of pairs (50 %: alike)",
            )
        )
    if effects.same_prompts is not None:
        before = effects.same_prompts_before
        rows.append(
            (
                "prompts",
                f"{percent(effects.same_prompts)} of the requests have a prompt of the calibration"
                + ("" if before is None else f" (its own last days: {percent(before)})"),
            )
        )
    for name, ratio in (("tokens", effects.tokens), ("cost", effects.cost)):
        if ratio is not None:
            rows.append((name, f"{ratio:.2f} times the calibration's, a request"))
    return rows


def e_value_text(value: float) -> str:
    """An e-value as people read it."""
    if value >= 1e6:
        return f"{value:.0e}"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"
