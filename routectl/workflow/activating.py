"""`routectl activate`, `rollback` and `history`: what a route runs, by whom, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from routectl.errors import StoreError, UsageError
from routectl.store import routes
from routectl.store.calibrations import calibration, calibrations, newest_calibration
from routectl.store.engine import Location
from routectl.store.models import Activation, Calibration
from routectl.store.opening import open_store
from routectl.workflow.actor import actor

DEFAULT_ROUTE = "default"


@dataclass(frozen=True, slots=True)
class Activated:
    """An activation with what it stands for."""

    id: int
    route: str
    mode: str
    """threshold, always_strong or always_weak."""
    calibration: Calibration | None
    restores: int | None
    actor: str
    note: str | None
    created_at: datetime
    active: bool
    """It is the newest of its route."""


def activate(
    location: Location,
    *,
    calibration_id: int | None,
    mode: str,
    route: str,
    note: str | None,
) -> Activated:
    """Append what a route runs from now on.

    Args:
        calibration_id: for mode "threshold"; None takes the newest calibration.
        mode: threshold, always_strong or always_weak.
    """
    with open_store(location) as store, store.write() as connection:
        chosen: Calibration | None = None
        if mode == "threshold":
            chosen = (
                newest_calibration(connection)
                if calibration_id is None
                else calibration(connection, calibration_id)
            )
            if chosen is None:
                raise StoreError(
                    "there is no calibration to activate: run "
                    "`routectl calibrate --strong-fraction 0.3` first"
                )
        row = routes.add_activation(
            connection,
            route_id=routes.add_route(connection, route).id,
            mode=mode,
            calibration_id=None if chosen is None else chosen.id,
            restores_id=None,
            actor=actor(),
            note=note,
        )
        return _activated(connection, row, route, active=True)


def roll_back(location: Location, *, route: str, to: int | None, note: str | None) -> Activated:
    """Append what a route ran before, or an earlier activation of it.

    Args:
        to: id of an activation of this route, earlier than the one that runs now.
    """
    with open_store(location) as store, store.write() as connection:
        found = routes.route(connection, route)
        if found is None:
            raise _unknown_route(connection, route)
        log = routes.activations(connection, found.id)
        target = routes.step_back(log, route) if to is None else _earlier(log, to, route)
        row = routes.add_activation(
            connection,
            route_id=found.id,
            mode=target.mode,
            calibration_id=target.calibration_id,
            restores_id=target.id,
            actor=actor(),
            note=note,
        )
        return _activated(connection, row, route, active=True)


@dataclass(frozen=True, slots=True)
class History:
    """Calibrations and activations, newest first."""

    calibrations: list[Calibration]
    activations: list[Activated]


def history(location: Location, *, route: str | None, limit: int) -> History:
    """What was calibrated and what ran, newest first."""
    with open_store(location) as store, store.read() as connection:
        found = routes.routes(connection)
        if route is not None:
            found = [r for r in found if r.name == route]
            if not found:
                raise _unknown_route(connection, route)
        entries = [
            _activated(connection, row, r.name, active=index == 0)
            for r in found
            for index, row in enumerate(reversed(routes.activations(connection, r.id)))
        ]
        entries.sort(key=lambda entry: entry.id, reverse=True)
        return History(calibrations(connection, limit), entries[:limit])


def _earlier(log: list[Activation], to: int, route: str) -> Activation:
    found = next((a for a in log if a.id == to), None)
    if found is None:
        raise StoreError(
            f"route {route!r} has no activation {to}: `routectl history --route {route}` lists them"
        )
    target = routes.activated_by(log, found)
    if target.id >= routes.activated_by(log, log[-1]).id:
        raise UsageError(
            f"activation {to} is not earlier than what runs now, and a rollback walks back: "
            "use `routectl activate` to go forward"
        )
    return target


def _unknown_route(connection: Connection, name: str) -> StoreError:
    known = ", ".join(r.name for r in routes.routes(connection))
    return StoreError(
        f"no route {name!r}: " + (f"the routes are {known}" if known else "nothing was activated")
    )


def _activated(connection: Connection, row: Activation, route: str, *, active: bool) -> Activated:
    return Activated(
        id=row.id,
        route=route,
        mode=row.mode,
        calibration=(
            None if row.calibration_id is None else calibration(connection, row.calibration_id)
        ),
        restores=row.restores_id,
        actor=row.actor,
        note=row.note,
        created_at=row.created_at,
        active=active,
    )
