"""`routectl activate`, `rollback` and `history`: what a route runs, by whom, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from routectl.errors import StoreError, UsageError
from routectl.policy import LIVE, THRESHOLD, Policy
from routectl.records import IdKind
from routectl.store import routes
from routectl.store.calibrations import calibration, calibrations, newest_calibration
from routectl.store.engine import Location
from routectl.store.models import Activation, Calibration
from routectl.store.opening import open_store
from routectl.workflow.actor import actor
from routectl.workflow.policies import (
    of_activation,
    of_calibration,
    require_extraction,
    unconditional,
)
from routectl.workflow.recorded import RecordedCalibration, recorded
from routectl.workflow.reporter import Reporter

DEFAULT_ROUTE = "default"


@dataclass(frozen=True, slots=True)
class Activated:
    """An activation with what it stands for."""

    id: int
    route: str
    policy: Policy
    recorded: bool
    """The policy is stored. An older activation has none, and it is what that one meant."""
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

    Raises:
        StoreError: there is no such calibration, or it is of another extraction version.
    """
    with open_store(location) as store, store.write() as connection:
        chosen: Calibration | None = None
        route_id = routes.add_route(connection, route).id
        if mode == THRESHOLD:
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
            policy = replace(of_calibration(chosen), mode=LIVE, route=route)
            require_extraction(policy)
        else:
            log = routes.activations(connection, route_id)
            policy = unconditional(mode, route, last_calibrated(connection, log))
        # What a calibration of before the record cannot say, its activation cannot say either.
        recorded = chosen is None or chosen.policy is not None
        row = routes.add_activation(
            connection,
            route_id=route_id,
            mode=mode,
            calibration_id=None if chosen is None else chosen.id,
            restores_id=None,
            actor=actor(),
            note=note,
            policy=policy.to_json() if recorded else None,
        )
        return _activated(connection, row, route, active=True)


def roll_back(location: Location, *, route: str, to: int | None, note: str | None) -> Activated:
    """Append what a route ran before, or an earlier activation of it.

    Args:
        to: id of an activation of this route, earlier than the one that runs now.

    Raises:
        StoreError: there is no such route or activation, or it is of another extraction version.
        UsageError: the activation is not an earlier one.
    """
    with open_store(location) as store, store.write() as connection:
        stored = routes.route(connection, route)
        if stored is None:
            raise _unknown_route(connection, route)
        log = routes.activations(connection, stored.id)
        target = routes.step_back(log, route) if to is None else _earlier(log, to, route)
        require_extraction(_activated(connection, target, route, active=False).policy)
        row = routes.add_activation(
            connection,
            route_id=stored.id,
            mode=target.mode,
            calibration_id=target.calibration_id,
            restores_id=target.id,
            actor=actor(),
            note=note,
            policy=target.policy,
        )
        return _activated(connection, row, route, active=True)


@dataclass(frozen=True, slots=True)
class History:
    """Calibrations and activations, newest first."""

    calibrations: list[RecordedCalibration]
    activations: list[Activated]


def history(location: Location, reporter: Reporter, *, route: str | None, limit: int) -> History:
    """What was calibrated and what ran, newest first."""
    with open_store(location) as store, store.read() as connection:
        named = routes.routes(connection)
        if route is not None:
            named = [r for r in named if r.name == route]
            if not named:
                raise _unknown_route(connection, route)
        entries = [
            _activated(connection, row, r.name, active=index == 0)
            for r in named
            for index, row in enumerate(reversed(routes.activations(connection, r.id)))
        ]
        entries.sort(key=lambda entry: entry.id, reverse=True)
        rows = calibrations(connection, limit)
        shown = []
        for row in rows:
            try:
                shown.append(recorded(connection, row))
            except StoreError as error:
                # One damaged record must not hide the others.
                reporter.note(f"left out, because {error}")
        return History(shown, entries[:limit])


def last_calibrated(connection: Connection, log: Sequence[Activation]) -> Policy | None:
    """The policy of the last calibration that a route ran, if it ever ran one."""
    last = next((a.calibration_id for a in reversed(log) if a.calibration_id is not None), None)
    return None if last is None else of_calibration(calibration(connection, last))


def _earlier(log: list[Activation], to: int, route: str) -> Activation:
    activation = next((a for a in log if a.id == to), None)
    if activation is None:
        raise StoreError(
            f"route {route!r} has no activation {IdKind.ACTIVATION.ref(to)}: "
            f"`routectl history --route {route}` lists them"
        )
    target = routes.activated_by(log, activation)
    if target.id >= routes.activated_by(log, log[-1]).id:
        raise UsageError(
            f"activation {IdKind.ACTIVATION.ref(to)} is not earlier than what runs now, and a "
            "rollback walks back: "
            "use `routectl activate` to go forward"
        )
    return target


def _unknown_route(connection: Connection, name: str) -> StoreError:
    names = ", ".join(r.name for r in routes.routes(connection))
    return StoreError(
        f"no route {name!r}: " + (f"the routes are {names}" if names else "nothing was activated")
    )


def _activated(connection: Connection, row: Activation, route: str, *, active: bool) -> Activated:
    chosen = None if row.calibration_id is None else calibration(connection, row.calibration_id)
    return Activated(
        id=row.id,
        route=route,
        policy=of_activation(row, route, None if chosen is None else of_calibration(chosen)),
        recorded=row.policy is not None,
        calibration=chosen,
        restores=row.restores_id,
        actor=row.actor,
        note=row.note,
        created_at=row.created_at,
        active=active,
    )
