"""How the state of routes is shown, and what is to be done about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from routectl.cli.console import Console, percent, when
from routectl.cli.policy_text import NO_ROUTES, runs_text
from routectl.cli.saving_table import unbooked_text
from routectl.records import IdKind
from routectl.workflow.watching.status import Check

if TYPE_CHECKING:
    from routectl.workflow.drifting import Drift
    from routectl.workflow.policies.served import Served
    from routectl.workflow.watching.month import MonthToDate
    from routectl.workflow.watching.status import Problem, RouteStatus


def print_status(console: Console, routes: Sequence[RouteStatus]) -> None:
    """One line a route, then a line for each reason to look at it."""
    if not routes:
        console.line(NO_ROUTES)
        return
    now = datetime.now(UTC)
    columns = [(name, [_cell(route, now, name) for route in routes]) for name in _COLUMNS]
    shown = [column for column in columns if column[0] != "budget" or set(column[1]) != {"-"}]
    console.table(
        list(zip(*(values for _, values in shown), strict=True)),
        headers=[name for name, _ in shown],
        wrapped=(0, 1),
    )
    for sentence in reasons(routes):
        console.line(f"! {sentence}")
    for route in routes:
        if route.month is not None and route.month.unbooked:
            without = f"so neither month nor budget of {route.route} has them"
            console.note(unbooked_text(route.month.unbooked, without))


def reasons(routes: Sequence[RouteStatus]) -> list[str]:
    """What is wrong and what to do, a sentence each."""
    return [_reason(route, problem) for route in routes for problem in route.problems]


def to_json(route: RouteStatus) -> dict[str, object]:
    """A route's state for programs."""
    active, decision, month = route.active, route.newest_decision, route.month
    return {
        "route": route.route,
        "activation_id": None if active is None else active.id,
        "runs": None if active is None else runs_text(active.policy),
        "calibration_id": None if active is None else active.calibration_id,
        "activated_at": None if active is None else active.created_at,
        "expires_at": route.expires_at,
        "newest_request": route.newest_request,
        "newest_decision": None if decision is None else decision.time,
        "decided_by": None if decision is None else decision.activation,
        "served": None if route.served is None else route.served.to_json(),
        "requests": route.requests,
        "strong_fraction": route.share,
        "unscored": route.unscored,
        "drift": None if route.drift is None else drift_json(route.drift),
        "month": None if month is None else asdict(month),
        "problems": [
            {"check": problem.check, "sentence": _reason(route, problem)}
            for problem in route.problems
        ],
    }


def drift_json(drift: Drift) -> dict[str, object]:
    """The last look of each alarm, for programs."""
    return {
        "tolerance": drift.tolerance,
        "ringing": [str(ringing.alarm) for ringing in drift.ringing],
        "waits_for_scores": drift.waits_for_scores,
        "last": {
            alarm: {"day": looks[-1].day, "share": looks[-1].share, "e_value": looks[-1].e_value}
            for alarm, looks in drift.looks.items()
        },
    }


_COLUMNS = (
    *("route", "runs", "for", "log", "proxy", "no score", "share", "drift"),
    *("month", "budget", "ends"),
)


def _cell(route: RouteStatus, now: datetime, column: str) -> str:
    active, decision, month = route.active, route.newest_decision, route.month
    if column == "route":
        return route.route
    if active is None:
        return "nothing yet" if column == "runs" else "-"
    match column:
        case "runs":
            return f"{IdKind.ACTIVATION.ref(active.id)} {runs_text(active.policy)}"
        case "for":
            return _short(now - active.created_at)
        case "log":
            return "none" if route.newest_request is None else _short(now - route.newest_request)
        case "proxy":
            return "-" if decision is None else _short(now - decision.time)
        case "no score":
            return percent(route.unscored)
        case "share":
            return percent(route.share)
        case "drift":
            return drift_text(route.drift)
        case "month":
            return "-" if month is None else f"{month.booked:,.2f}"
        case "budget":
            return _budget(month)
        case _:
            return _expiry(route.expires_at, now)


def drift_text(drift: Drift | None) -> str:
    """Whether an alarm of drift rings; a dash where no day was looked at."""
    if drift is None or drift.e_value is None:
        return "-"
    return "rings" if drift.ringing else "no"


def age(span: timedelta) -> str:
    """How long ago, or until, in the largest unit of which there are two or more."""
    seconds = max(span.total_seconds(), 0.0)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _short(span: timedelta) -> str:
    return age(span).replace(" ", "")


def _budget(month: MonthToDate | None) -> str:
    if month is None or month.budget is None or month.projected is None:
        return "-"
    return percent(month.projected / month.budget, 0)


def _expiry(expires_at: datetime | None, now: datetime) -> str:
    if expires_at is None:
        return "never"
    return "passed" if expires_at <= now else f"in {_short(expires_at - now)}"


def _reason(route: RouteStatus, problem: Problem) -> str:
    facts = problem.facts
    match problem.check:
        case Check.DRIFT:
            text = drift_reason(facts)
        case Check.BUDGET:
            text = (
                f"this month will cost {facts['projected']:,.2f} USD at the rate of the last "
                f"weeks, above the budget of {facts['budget']:,.2f}: see with `routectl drift` "
                "whether the traffic has changed, then calibrate again"
            )
        case Check.EXPIRY:
            text = (
                f"its activation expired on {when(facts['expires_at'])}: calibrate again, or "
                "activate the same with a later expiry"
            )
        case Check.TRAFFIC_AGE if facts["newest"] is None:
            text = "it has no request with a time: import its log"
        case Check.TRAFFIC_AGE:
            text = (
                f"its newest request is of {when(facts['newest'])}, more than "
                f"{age(facts['max_age'])} ago: see that the proxy logs and that the log is "
                "imported, or allow more with --max-age"
            )
        case Check.UNSCORED if facts["other_versions"]:
            text = (
                f"{percent(facts['share'])} of its last requests have no score, "
                f"{percent(facts['other_versions'])} because another version of the text "
                "extraction read them: calibrate again on logs that were imported again"
            )
        case Check.UNSCORED:
            text = (
                f"{percent(facts['share'])} of its last requests have no score: run "
                "`routectl score`"
            )
        case Check.ACTIVATION:
            active = IdKind.ACTIVATION.ref(facts["active"])
            text = (
                f"the proxy decided by {facts['logged']} on {when(facts['time'])}, and {active} is "
                "active: give the proxy a new export and see that it reads it"
            )
        case Check.OVERRIDDEN:
            text = (
                f"{served_text(facts['served'])}: see that the proxy runs with ROUTECTL_ROUTES and "
                "the callback, that its log has no error of routectl, and what `routectl doctor "
                "--routes FILE --config FILE` says"
            )
    return f"{route.route}: {text}."


def served_text(served: Served) -> str:
    """How many of a route's answered requests no policy of ours decided, with the newest."""
    newest = (
        ""
        if served.newest_overridden is None
        else f", the last on {when(served.newest_overridden)}"
    )
    without = f" ({served.undecided:,.0f} without any decision)" if served.undecided else ""
    return (
        f"{served.not_by_policy:,.0f} of the {served.requests:,.0f} requests that the proxy "
        f"answered since {when(served.since)} were not decided by its policy but by something "
        f"else{without}{newest}"
    )


def drift_reason(facts: Mapping[str, Any]) -> str:
    """What a ringing alarm says, and what to do."""
    share = percent(facts["share"])
    day = f"on {facts['day']} (the alarm rings since {facts['since']})"
    if facts["alarm"] == "traffic":
        return (
            f"the traffic has shifted, {share} was strong {day}: look at it with `routectl drift`, "
            "then calibrate again"
        )
    if facts["alarm"] == "proxy":
        return (
            "the proxy does not do what was exported, it decided otherwise for "
            f"{share} of the prompts {day}: give it a new export and see that it reads it"
        )
    return (
        f"the proxy gave {share} of the requests the fallback {day}: see in its log what keeps it "
        "from scoring"
    )
