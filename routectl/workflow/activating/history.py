"""`routectl history`: what was calibrated, what ran, and what routes were."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection

from routectl.errors import InputError, StoreError
from routectl.policy import Policy
from routectl.store import routes
from routectl.store.calibrations import calibrations
from routectl.store.engine import Location
from routectl.store.models import Calibration, RouteChange
from routectl.store.opening import open_store
from routectl.workflow.policies.activated import Activated, activated
from routectl.workflow.policies.stored import of_calibration
from routectl.workflow.reporter import Reporter
from routectl.workflow.routes.in_use import name_of, picked_route

if TYPE_CHECKING:
    from routectl.workflow.calibrating.recorded import RecordedCalibration

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RouteChangeEntry:
    """A change of a route, with the name that the route has now."""

    row: RouteChange
    route: str


@dataclass(frozen=True, slots=True)
class ListedCalibration:
    """What a list says of a calibration."""

    id: int
    created_at: datetime
    route: str
    actor: str
    note: str | None
    target: Mapping[str, Any]
    """As it is stored."""
    strong_fraction: float
    requests: int
    population: Mapping[str, Any]
    """As it is stored."""
    policy: Policy


@dataclass(frozen=True, slots=True)
class History:
    """Activations and changes of routes, newest first."""

    activations: list[Activated]
    route_changes: list[RouteChangeEntry]


def history(location: Location, *, route: str | None, limit: int) -> History:
    """What ran and what routes were, newest first.

    Args:
        route: of this one alone; None: of all.
        limit: of each the newest entries.
    """
    with open_store(location) as store, store.read() as connection:
        chosen = None if route is None else picked_route(connection, route)
        named = routes.routes(connection) if chosen is None else [chosen]
        entries = [
            activated(connection, row, r.name, active=index == 0)
            for r in named
            for index, row in enumerate(reversed(routes.activations(connection, r.id)))
        ]
        entries.sort(key=lambda entry: entry.id, reverse=True)
        only = None if chosen is None else chosen.id
        return History(
            entries[:limit],
            [
                RouteChangeEntry(row, name_of(connection, row.route_id))
                for row in routes.route_changes(connection, route_id=only, limit=limit)
            ],
        )


def listed_calibrations(
    location: Location, reporter: Reporter, *, route: str | None, limit: int
) -> list[ListedCalibration]:
    """What was calibrated, newest first; the arguments are those of `history`."""
    return _calibrations(location, _listed, reporter, route, limit)


def recorded_calibrations(
    location: Location, reporter: Reporter, *, route: str | None, limit: int
) -> list[RecordedCalibration]:
    """The same, each whole."""
    from routectl.workflow.calibrating.recorded import recorded

    return _calibrations(location, recorded, reporter, route, limit)


def _calibrations(
    location: Location,
    read: Callable[[Connection, Calibration], T],
    reporter: Reporter,
    route: str | None,
    limit: int,
) -> list[T]:
    shown = []
    with open_store(location) as store, store.read() as connection:
        chosen = None if route is None else picked_route(connection, route)
        only = None if chosen is None else chosen.id
        for row in calibrations(connection, limit, route_id=only):
            try:
                shown.append(read(connection, row))
            except (StoreError, InputError) as error:
                # One damaged record must not hide the others.
                reporter.note(f"left out, because {error}")
    return shown


def _listed(connection: Connection, row: Calibration) -> ListedCalibration:
    return ListedCalibration(
        id=row.id,
        created_at=row.created_at,
        route=name_of(connection, row.route_id),
        actor=row.actor,
        note=row.note,
        target=row.target,
        strong_fraction=row.strong_fraction,
        requests=row.requests,
        population=row.population,
        policy=of_calibration(row),
    )
