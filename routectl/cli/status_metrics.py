"""The state of routes in Prometheus' text format, for node_exporter's textfile collector."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from routectl.cli.policy_text import runs_text
from routectl.records import IdKind
from routectl.workflow.drifting import drift_limit
from routectl.workflow.watching.status import Check

if TYPE_CHECKING:
    from routectl.workflow.watching.status import RouteStatus

FIRST_LINE = "# Written by routectl status."
_LABEL = rb'[a-z_]+="(?:[^"\\]|\\.)*"'
_LINE = re.compile(
    rb"# (?:HELP|TYPE) routectl_[a-z_]+ .+|routectl_[a-z_]+(?:\{%b(?:,%b)*\})? [-+.0-9a-z]+"
    % (_LABEL, _LABEL)
)

_HELP = {
    "active_info": "What the route runs; the value is 1.",
    "activated_timestamp_seconds": "When it was activated.",
    "expires_timestamp_seconds": "When somebody has to look at the activation again.",
    "newest_request_timestamp_seconds": "Time of the newest request in the database.",
    "newest_decision_timestamp_seconds": "Time of the newest decision of the proxy in the log.",
    "unscored_ratio": "Requests of the last 7 days without a score.",
    "strong_ratio": "Requests of the last 7 days that go to the strong model.",
    "month_to_date_dollars": "Cost of this month's requests as the log booked it.",
    "month_projected_dollars": "What this month will have cost, at the rate of the last weeks.",
    "month_budget_dollars": "What the active calibration was asked for.",
    "drift_e_value": "Evidence of drift; the alarm rings at routectl_drift_limit.",
    "drift_limit": "Of the evidence.",
    "check_failed": "1 where the check says no.",
    "status_timestamp_seconds": "When routectl status wrote this file.",
}
"""By metric, in the order in which they are written."""


def is_metrics(content: bytes) -> bool:
    """Whether every line of a file is one that `metrics` writes."""
    first, *lines = content.removesuffix(b"\n").split(b"\n")
    return first == FIRST_LINE.encode() and all(_LINE.fullmatch(line) for line in lines)


def metrics(routes: Sequence[RouteStatus]) -> str:
    """The text of the file."""
    samples: dict[str, list[str]] = {name: [] for name in _HELP}
    for route in routes:
        for name, labels, value in _samples(route):
            samples[name].append(_sample(name, {"route": route.route, **labels}, value))
    samples["status_timestamp_seconds"] = [
        _sample("status_timestamp_seconds", {}, datetime.now(UTC).timestamp())
    ]
    lines = [FIRST_LINE]
    for name, text in _HELP.items():
        if samples[name]:
            lines += [f"# HELP routectl_{name} {text}", f"# TYPE routectl_{name} gauge"]
            lines += samples[name]
    return "\n".join(lines) + "\n"


def _samples(route: RouteStatus) -> Iterator[tuple[str, Mapping[str, str], float]]:
    active, decision, month = route.active, route.newest_decision, route.month
    if active is None:
        return
    info = {"activation": IdKind.ACTIVATION.ref(active.id), "runs": runs_text(active.policy)}
    yield "active_info", info, 1.0
    for name, time in (
        ("activated", active.created_at),
        ("expires", route.expires_at),
        ("newest_request", route.newest_request),
        ("newest_decision", None if decision is None else decision.time),
    ):
        if time is not None:
            yield f"{name}_timestamp_seconds", {}, time.timestamp()
    for name, value in (
        ("unscored_ratio", route.unscored),
        ("strong_ratio", route.share),
        ("month_to_date_dollars", None if month is None else month.booked),
        ("month_projected_dollars", None if month is None else month.projected),
        ("month_budget_dollars", None if month is None else month.budget),
    ):
        if value is not None:
            yield name, {}, value
    looks = {} if route.drift is None else route.drift.looks
    for alarm, rows in looks.items():
        yield "drift_e_value", {"alarm": alarm}, rows[-1].e_value
    if looks:
        yield "drift_limit", {}, drift_limit()
    failed = {problem.check for problem in route.problems}
    for check in Check:
        yield "check_failed", {"check": check.value}, float(check in failed)


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    written = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"routectl_{name}{{{written}}} {value!r}" if labels else f"routectl_{name} {value!r}"


def _escaped(text: str) -> str:
    # https://prometheus.io/docs/instrumenting/exposition_formats/
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
