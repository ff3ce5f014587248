"""`routectl report`: what is recorded of routes, for one page. It scores and computes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from routectl.errors import InputError, StoreError
from routectl.policy import REQUEST, THRESHOLD, threshold_value
from routectl.records import Condition, Population
from routectl.route import Declaration
from routectl.store import routes
from routectl.store.engine import Location, Store
from routectl.store.models import Route
from routectl.store.opening import open_store
from routectl.store.prompts import ScoredText, nearest_texts
from routectl.store.scores import stored_router
from routectl.workflow.calibrating.recorded import RecordedCalibration, recorded
from routectl.workflow.calibrating.what_if import WhatIf, what_if
from routectl.workflow.drifting import DriftReport, drift
from routectl.workflow.policies.activated import Activated, activated
from routectl.workflow.reporter import Reporter
from routectl.workflow.routes.in_use import in_use, picked_route
from routectl.workflow.watching.saving import Savings, savings

if TYPE_CHECKING:
    from sqlalchemy import Connection

EXAMPLES = 5
"""Prompts on either side of the threshold that a report shows."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Prompts whose scores are next to a threshold, nearest first."""

    strong: Sequence[ScoredText]
    weak: Sequence[ScoredText]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedRoute:
    """What is recorded of a route."""

    name: str
    declared: Declaration
    activations: Sequence[Activated]
    """Newest first: the first one runs. Empty where nothing was ever activated."""
    calibration: RecordedCalibration | None
    """Of what runs; None of what is unconditional, and of a damaged record."""
    what_if: WhatIf | None
    """What other thresholds would give."""
    savings: Savings | None
    """Of the last 30 days; None where no decision is logged."""
    drift: DriftReport
    examples: Examples | None
    """None where nobody asked for prompts."""

    @property
    def active(self) -> Activated | None:
        """What runs."""
        return self.activations[0] if self.activations else None


def reported_routes(
    location: Location, reporter: Reporter, *, route: str | None, prompts: bool
) -> list[ReportedRoute]:
    """What is recorded of routes, by name.

    Args:
        route: of this one alone; None: of all.
        prompts: read examples of them, too.

    Raises:
        StoreError: there is no such route, or none at all.
    """
    with open_store(location) as store:
        with store.read() as connection:
            chosen = None if route is None else picked_route(connection, route)
            rows = routes.routes(connection) if chosen is None else [chosen]
        if not rows:
            raise StoreError(
                "there is no route to report on: `routectl route set NAME --strong MODEL --weak "
                "MODEL` declares one, and `routectl calibrate` and `activate` make it run"
            )
        drifts = {report.route: report for report in drift(location, route=route)}
        return [_reported(store, row, drifts[row.name], reporter, prompts=prompts) for row in rows]


def _reported(
    store: Store, row: Route, drift: DriftReport, reporter: Reporter, *, prompts: bool
) -> ReportedRoute:
    calibration = examples = None
    with store.read() as connection:
        log = [
            activated(connection, entry, row.name, active=index == 0)
            for index, entry in enumerate(reversed(routes.activations(connection, row.id)))
        ]
        if log and log[0].calibration is not None:
            try:
                calibration = recorded(connection, log[0].calibration)
            except (StoreError, InputError) as error:
                reporter.note(f"of route {row.name} less is said, because {error}")
        if prompts and log and log[0].policy.rule == THRESHOLD:
            examples = _examples(connection, row, log[0])
        route = in_use(connection, row)
    return ReportedRoute(
        name=row.name,
        declared=routes.declaration(row),
        activations=log,
        calibration=calibration,
        what_if=None if calibration is None else what_if(store, route, calibration),
        savings=_saved(store.location, row.name, reporter) if log else None,
        drift=drift,
        examples=examples,
    )


def _saved(location: Location, route: str, reporter: Reporter) -> Savings | None:
    try:
        return savings(location, route, Population(), reporter)
    except InputError:  # no request has a logged decision
        return None


def _examples(connection: Connection, row: Route, active: Activated) -> Examples | None:
    """Prompts next to the threshold, of segments next to the default one.

    None where more than one score decides, or that of another text than the request's own.
    """
    policy, chosen = active.policy, active.calibration
    if chosen is None or len(policy.thresholds) != 1 or policy.unit != REQUEST:
        return None
    pinned = policy.routers[0]
    router = stored_router(connection, pinned.spec.name, pinned.fingerprint)
    if router is None:
        return None
    stored = Population.from_json(chosen.population)
    others = (
        ()
        if policy.segment_field is None
        else tuple(Condition(policy.segment_field, "!=", name) for name in policy.segments)
    )
    population = replace(
        stored, where=(*stored.where, *others), routed=in_use(connection, row).routed
    )
    at = threshold_value(policy.thresholds[0])

    def nearest(*, strong: bool) -> list[ScoredText]:
        return nearest_texts(
            connection,
            router,
            population,
            policy.extraction_version,
            at,
            strong=strong,
            limit=EXAMPLES,
        )

    return Examples(strong=nearest(strong=True), weak=nearest(strong=False))
