"""`routectl drift`: the looks that are stored, and what the next ones can say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from routectl.policy import THRESHOLD
from routectl.store import routes
from routectl.store.engine import Location
from routectl.store.models import Route
from routectl.store.opening import open_store
from routectl.workflow.drifting.days import (
    WEEK,
    day_number,
    day_text,
    looked_at,
    midnight,
    number_of,
)
from routectl.workflow.drifting.effects import EffectSizes, effect_sizes
from routectl.workflow.drifting.looking import Looking
from routectl.workflow.drifting.looks import Alarm, Drift, LoggedDecisions
from routectl.workflow.policies.activated import Activated, activated, population_of
from routectl.workflow.policies.served import Served, served
from routectl.workflow.routes.in_use import asked_routes, in_use

if TYPE_CHECKING:
    from routectl.calibration.drift import Delay, NextLook


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """What `routectl drift` shows of a route."""

    route: str
    active: Activated | None
    drift: Drift | None
    """None where no calibration is active."""
    next_day: str | None = None
    """The day that the next look is at."""
    next_look: NextLook | None = None
    delay: Delay | None = None
    effects: EffectSizes | None = None
    decisions: LoggedDecisions | None = None
    """None where no calibration is active; so is the next."""
    served: Served | None = None


def drift(location: Location, *, route: str | None) -> list[DriftReport]:
    """The looks at drift that are stored, and what the next ones can say.

    Args:
        route: of this one alone; None: of all.

    Raises:
        StoreError: there is no such route.
    """
    now = datetime.now(UTC)
    with open_store(location) as store, store.read() as connection:
        return [_report(connection, row, now) for row in asked_routes(connection, route)]


def _report(connection: Connection, row: Route, now: datetime) -> DriftReport:
    log = routes.activations(connection, row.id)
    if not log:
        return DriftReport(route=row.name, active=None, drift=None)
    active = activated(connection, log[-1], row.name, active=True)
    population = population_of(in_use(connection, row), active)
    if active.calibration is None or active.policy.rule != THRESHOLD:
        return DriftReport(route=row.name, active=active, drift=None)
    looking = Looking(connection, row, active, population, now)
    so_far = looking.stored()
    report = DriftReport(route=row.name, active=active, drift=so_far)
    if so_far.baseline is not None:
        report = _shown(looking, so_far)
    return replace(
        report,
        decisions=looking.decisions(),
        served=served(connection, row, active, population, now),
    )


def _shown(looking: Looking, so_far: Drift) -> DriftReport:
    """The stored looks with what the next ones can say; there is a baseline."""
    from routectl.calibration.drift import delay, next_look

    baseline, traffic = so_far.baseline, so_far.looks.get(Alarm.TRAFFIC.value, ())
    assert baseline is not None
    last = day_number(traffic[-1].day) if traffic else number_of(looking.end) - 1
    return DriftReport(
        route=looking.row.name,
        active=looking.active,
        drift=so_far,
        next_day=day_text(last + 1),
        next_look=next_look(baseline, so_far.tolerance, looked_at(traffic), after=last),
        delay=delay(baseline, so_far.tolerance, after=last),
        effects=_effects(looking),
    )


def _effects(looking: Looking) -> EffectSizes | None:
    """How the requests since the calibration differ, of the last 7 days."""
    newest, since = looking.newest(), midnight(looking.end)
    if newest is None or newest <= since:
        return None
    before = looking.compared(replace(looking.calibrated, until=since))
    last = looking.compared(replace(looking.population, since=max(since, newest - WEEK)))
    return effect_sizes(before, last)
