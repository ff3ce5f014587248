"""`routectl status`: does what runs still hold? It reads, looks at drift, and never scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from routectl.policy import THRESHOLD, Policy, decide
from routectl.records import IdKind, Population
from routectl.store import routes
from routectl.store.engine import Location, Store
from routectl.store.models import Route
from routectl.store.opening import open_store
from routectl.store.scores import prompts_without_text
from routectl.store.windows import (
    NewestDecision,
    Window,
    booked,
    newest_decision,
    newest_time,
    requests_within,
    router_at,
)
from routectl.workflow.activating import Activated, activated
from routectl.workflow.routing import RouteInUse, in_use, picked_route

WINDOW = timedelta(days=7)
"""Of which the share and the unscored requests are told, up to the newest request."""

MOST_UNSCORED = 0.01
"""Share of the last days' requests without a score above which it is said."""

CLOCKS_DIFFER = timedelta(hours=1)
"""How far a log's clock may be ahead of ours; what is later is no request of now."""

UNTIL_IT_ARRIVES = timedelta(minutes=10)
"""After an activation, a proxy may still decide by the one before."""


class Check(StrEnum):
    """What `status` exits with 3 for."""

    DRIFT = "drift"
    EXPIRY = "expiry"
    TRAFFIC_AGE = "traffic_age"
    UNSCORED = "unscored"
    ACTIVATION = "activation"


@dataclass(frozen=True, slots=True)
class Problem:
    """A check that said no, with what a sentence about it needs."""

    check: Check
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MonthToDate:
    """What the requests of this month cost, as the log booked it. UTC, US dollars."""

    since: datetime
    booked: float
    known_share: float
    """Of the requests whose cost is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteStatus:
    """What is to be known of a route each morning."""

    route: str
    active: Activated | None
    """None where nothing was ever activated: then the rest is unknown, too."""
    expires_at: datetime | None = None
    newest_request: datetime | None = None
    newest_decision: NewestDecision | None = None
    requests: float = 0.0
    """Of the last 7 days up to the newest request, weighted."""
    share: float | None = None
    """Of those with a score that the active policy sends to the strong model; None without one."""
    unscored: float | None = None
    """Share of those with a prompt that have no score; None where no score decides."""
    month: MonthToDate | None = None
    problems: tuple[Problem, ...] = ()


def status(location: Location, *, route: str | None, max_age: timedelta) -> list[RouteStatus]:
    """How the routes are.

    Args:
        route: of this one alone; None: of all.
        max_age: of the newest request, above which the traffic is too old.

    Raises:
        StoreError: there is no such route.
    """
    now = datetime.now(UTC)
    with open_store(location) as store:
        with store.read() as connection:
            if route is None:
                rows = routes.routes(connection)
            else:
                row = picked_route(connection, route)
                rows = [] if row is None else [row]
        return [_status(store, row, now, max_age) for row in rows]


def _status(store: Store, row: Route, now: datetime, max_age: timedelta) -> RouteStatus:
    with store.read() as connection:
        log = routes.activations(connection, row.id)
        if not log:
            return RouteStatus(route=row.name, active=None)
        active = activated(connection, log[-1], row.name, active=True)
        seen = _Seen.of(connection, in_use(connection, row), active, now)
        decision = newest_decision(
            connection, routes.names_of(connection, row), before=now + CLOCKS_DIFFER
        )
        month = _month(connection, seen.population, now)
    told = RouteStatus(
        route=row.name,
        active=active,
        expires_at=log[-1].expires_at,
        newest_request=seen.newest,
        newest_decision=decision,
        requests=seen.requests,
        share=seen.share,
        unscored=seen.unscored,
        month=month,
    )
    return replace(told, problems=tuple(_problems(told, seen, now, max_age)))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the database holds of a route's last days."""

    population: Population
    """Of the active policy, without a window."""
    newest: datetime | None
    requests: float = 0.0
    share: float | None = None
    unscored: float | None = None
    other_versions: float = 0.0
    """Part of the unscored requests: read by another version of the text extraction."""

    @classmethod
    def of(
        cls, connection: Connection, route: RouteInUse, active: Activated, now: datetime
    ) -> _Seen:
        population = population_of(route, active)
        newest = newest_time(connection, population, before=now + CLOCKS_DIFFER)
        if newest is None:
            return cls(population, None)
        last = replace(population, since=newest - WINDOW, until=now + CLOCKS_DIFFER)
        policy = active.policy
        router = _router(connection, policy)
        rows = requests_within(connection, router, last, policy.extraction_version)
        requests = float(rows.weights.sum())
        if policy.rule != THRESHOLD:
            return cls(population, newest, requests)
        share, scored = share_of(policy, rows)
        scorable = float(rows.weights[rows.scorable].sum()) + rows.other_versions
        if scorable > scored + rows.other_versions:
            # What was purged before it was scored never will be.
            scorable -= prompts_without_text(connection, router, last, policy.extraction_version)
        missing = max(scorable - scored, 0.0)
        return cls(
            population,
            newest,
            requests,
            share,
            missing / scorable if scorable else None,
            rows.other_versions / scorable if scorable else 0.0,
        )


def population_of(route: RouteInUse, active: Activated) -> Population:
    """The requests that an active policy is about: its calibration's filters, without a window;
    of what is unconditional, those of the route."""
    if active.calibration is None:
        return route.population(Population())
    stored = Population.from_json(active.calibration.population)
    return replace(stored, since=None, until=None, routed=route.routed)


def _router(connection: Connection, policy: Policy) -> int | None:
    if not policy.routers:
        return None
    pinned = policy.routers[0]
    return router_at(connection, pinned.spec.name, pinned.fingerprint)


def share_of(policy: Policy, rows: Window) -> tuple[float | None, float]:
    """The share of the scored requests that a policy sends to its strongest model, and their
    weight."""
    import numpy as np

    scored = rows.scorable & ~np.isnan(rows.win_rates)
    weights = rows.weights[scored]
    total = float(weights.sum())
    if not total:
        return None, 0.0
    decided = decide(replace(policy, mode=None), rows.win_rates[scored])
    is_strong = decided.model == len(policy.models) - 1
    return float(weights[is_strong].sum()) / total, total


def _month(connection: Connection, population: Population, now: datetime) -> MonthToDate | None:
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    this_month = replace(population, since=first, until=now + CLOCKS_DIFFER)
    cost, known_share = booked(connection, this_month)
    return MonthToDate(first, cost, known_share) if known_share else None


def _problems(
    told: RouteStatus, seen: _Seen, now: datetime, max_age: timedelta
) -> Sequence[Problem]:
    assert told.active is not None
    problems = []
    if told.expires_at is not None and told.expires_at <= now:
        problems.append(Problem(Check.EXPIRY, {"expires_at": told.expires_at}))
    if told.newest_request is None or told.newest_request < now - max_age:
        problems.append(
            Problem(Check.TRAFFIC_AGE, {"newest": told.newest_request, "max_age": max_age})
        )
    if told.unscored is not None and told.unscored > MOST_UNSCORED:
        facts = {"share": told.unscored, "other_versions": seen.other_versions}
        problems.append(Problem(Check.UNSCORED, facts))
    decision = told.newest_decision
    if (
        decision is not None
        and decision.activation is not None
        and decision.activation != IdKind.ACTIVATION.ref(told.active.id)
        and decision.time > told.active.created_at + UNTIL_IT_ARRIVES
    ):
        said: dict[str, Any] = {
            "logged": decision.activation,
            "time": decision.time,
            "active": told.active.id,
        }
        problems.append(Problem(Check.ACTIVATION, said))
    return problems
