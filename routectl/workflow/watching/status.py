"""`routectl status`: does what runs still hold? It reads, looks at drift, and never scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from routectl.policy import THRESHOLD, Policy
from routectl.records import IdKind, Population
from routectl.store import routes
from routectl.store.drift_checks import add_drift_checks
from routectl.store.engine import Location, Store
from routectl.store.models import Route
from routectl.store.opening import open_store
from routectl.store.recent import (
    NewestDecision,
    newest_decision,
    newest_time,
    weight_of_other_versions,
)
from routectl.store.requests import request_table
from routectl.store.scores import prompts_without_text
from routectl.workflow.drifting import (
    MOST_UNSCORED,
    Drift,
    drift_of,
)
from routectl.workflow.policies.activated import Activated, activated, population_of
from routectl.workflow.policies.deciding import (
    UNSCORED,
    decided,
    fact_columns,
    fact_numbers,
    router_ids,
)
from routectl.workflow.policies.served import (
    CLOCKS_DIFFER,
    UNTIL_IT_ARRIVES,
    Served,
    served,
)
from routectl.workflow.routes.in_use import RouteInUse, asked_routes, in_use
from routectl.workflow.watching.month import MonthToDate, month_to_date

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WINDOW = timedelta(days=7)
"""Before the newest request: what is shown of the last requests."""


class Check(StrEnum):
    """What `status` exits with 3 for."""

    DRIFT = "drift"
    BUDGET = "budget"
    EXPIRY = "expiry"
    TRAFFIC_AGE = "traffic_age"
    UNSCORED = "unscored"
    ACTIVATION = "activation"
    OVERRIDDEN = "overridden"


@dataclass(frozen=True, slots=True)
class Problem:
    """A check that said no, with what a sentence about it needs."""

    check: Check
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteStatus:
    """What is to be known of a route each morning."""

    route: str
    active: Activated | None
    """None where nothing was ever activated: then the rest is unknown, too."""
    expires_at: datetime | None = None
    newest_request: datetime | None = None
    newest_decision: NewestDecision | None = None
    served: Served | None = None
    requests: float = 0.0
    """Of the last 7 days up to the newest request, weighted."""
    share: float | None = None
    """Of those with a score that the active policy sends to the strong model; None without one."""
    unscored: float | None = None
    """Share of those with a prompt that have no score; None where no score decides."""
    month: MonthToDate | None = None
    drift: Drift | None = None
    """None where no calibration is active."""
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
            rows = asked_routes(connection, route)
        return [_status(store, row, now, max_age) for row in rows]


def _status(store: Store, row: Route, now: datetime, max_age: timedelta) -> RouteStatus:
    with store.read() as connection:
        log = routes.activations(connection, row.id)
        if not log:
            return RouteStatus(route=row.name, active=None)
        active = activated(connection, log[-1], row.name, active=True)
        used = in_use(connection, row)
        seen = _Seen.of(connection, used, active, now)
        decision = newest_decision(
            connection, routes.names_of(connection, row), before=now + CLOCKS_DIFFER
        )
        month = month_to_date(connection, used, seen.population, active.calibration, now)
        drift = drift_of(connection, row, active, seen.population, now)
        by_whom = served(connection, row, active, seen.population, now)
    if drift is not None and drift.new and active.calibration is not None:
        with store.write() as connection:
            add_drift_checks(connection, row.id, active.calibration.id, drift.new)
    state = RouteStatus(
        route=row.name,
        active=active,
        expires_at=log[-1].expires_at,
        newest_request=seen.newest,
        newest_decision=decision,
        served=by_whom,
        requests=seen.requests,
        share=seen.share,
        unscored=seen.unscored,
        month=month,
        drift=drift,
    )
    return replace(state, problems=tuple(_problems(state, seen, now, max_age)))


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
        version, routers = policy.extraction_version, router_ids(connection, policy)
        rows = request_table(
            connection,
            last,
            version,
            routers=routers,
            columns=fact_columns(policy),
            numbers=fact_numbers(policy),
        )
        requests = float(rows.weight.sum())
        if policy.rule != THRESHOLD:
            return cls(population, newest, requests)
        model = decided(policy, rows.scores, rows)
        scored = model != UNSCORED
        share = share_of(rows.weight[scored], model[scored], policy)
        other_versions = weight_of_other_versions(connection, last, version)
        missing = float(rows.weight[rows.has_prompt & ~scored].sum())
        if missing:
            # What was purged before it was scored never will be.
            missing -= prompts_without_text(connection, routers[0], last, version)
        missing = max(missing, 0.0) + other_versions
        scorable = float(rows.weight[scored].sum()) + missing
        return cls(
            population,
            newest,
            requests + other_versions,
            share,
            missing / scorable if scorable else None,
            other_versions / scorable if scorable else 0.0,
        )


def share_of(weight: NDArray[np.float64], model: NDArray[np.int64], policy: Policy) -> float | None:
    """The share that goes to a policy's strongest model; None of no requests."""
    total = float(weight.sum())
    return float(weight[model == len(policy.models) - 1].sum()) / total if total else None


def _problems(
    state: RouteStatus, seen: _Seen, now: datetime, max_age: timedelta
) -> Sequence[Problem]:
    assert state.active is not None
    problems = []
    if state.drift is not None:
        problems += [Problem(Check.DRIFT, asdict(r)) for r in state.drift.ringing]
    if state.month is not None and state.month.is_over:
        problems.append(Problem(Check.BUDGET, asdict(state.month)))
    if state.expires_at is not None and state.expires_at <= now:
        problems.append(Problem(Check.EXPIRY, {"expires_at": state.expires_at}))
    if state.newest_request is None or state.newest_request < now - max_age:
        problems.append(
            Problem(Check.TRAFFIC_AGE, {"newest": state.newest_request, "max_age": max_age})
        )
    if state.unscored is not None and state.unscored > MOST_UNSCORED:
        facts = {"share": state.unscored, "other_versions": seen.other_versions}
        problems.append(Problem(Check.UNSCORED, facts))
    decision = state.newest_decision
    if (
        decision is not None
        and decision.activation is not None
        and decision.activation != IdKind.ACTIVATION.ref(state.active.id)
        and decision.time > state.active.created_at + UNTIL_IT_ARRIVES
    ):
        said: dict[str, Any] = {
            "logged": decision.activation,
            "time": decision.time,
            "active": state.active.id,
        }
        problems.append(Problem(Check.ACTIVATION, said))
    if state.served is not None and state.served.is_overridden:
        problems.append(Problem(Check.OVERRIDDEN, {"served": state.served}))
    return problems
