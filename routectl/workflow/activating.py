"""`routectl activate`, `rollback` and `history`: what a route runs, by whom, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from routectl.errors import StoreError, UsageError
from routectl.policy import LIVE, THRESHOLD, Policy
from routectl.store import routes
from routectl.store.calibrations import calibration, calibrations, newest_calibration
from routectl.store.engine import Location
from routectl.store.models import Activation, Calibration, Route, RouteChange
from routectl.store.opening import open_store
from routectl.workflow.actor import actor
from routectl.workflow.policies import (
    of_activation,
    of_calibration,
    require_extraction,
    unconditional,
)
from routectl.workflow.routing import declared_models, default_route, picked_route


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
    route: str | None,
    note: str | None,
) -> Activated:
    """Append what a route runs from now on.

    Args:
        calibration_id: for mode "threshold"; None takes the newest calibration.
        mode: threshold, always_strong or always_weak.
        route: None is the only one there is.

    Raises:
        StoreError: there is no such route or calibration, or the calibration is of another route or
            extraction version.
        UsageError: there are several routes, and none is named.
    """
    with open_store(location) as store, store.write() as connection:
        chosen: Calibration | None = None
        stored = picked_route(connection, route) or default_route(connection)
        if mode == THRESHOLD:
            chosen = _to_activate(connection, stored, calibration_id)
            policy = replace(of_calibration(chosen), mode=LIVE, route=stored.name)
            require_extraction(policy)
        else:
            log = routes.activations(connection, stored.id)
            policy = unconditional(
                mode,
                stored.name,
                last_calibrated(connection, log),
                models=declared_models(routes.declaration(stored)),
            )
        # What a calibration of before the record cannot say, its activation cannot say either.
        recorded = chosen is None or chosen.policy is not None
        row = routes.add_activation(
            connection,
            route_id=stored.id,
            mode=mode,
            calibration_id=None if chosen is None else chosen.id,
            restores_id=None,
            actor=actor(),
            note=note,
            policy=policy.to_json() if recorded else None,
        )
        return _activated(connection, row, stored.name, active=True)


def _to_activate(connection: Connection, route: Route, calibration_id: int | None) -> Calibration:
    """The calibration that a route is to run: the one that was named, else its newest."""
    if calibration_id is None:
        newest = newest_calibration(connection, route.id)
        if newest is None:
            raise StoreError(
                "there is no calibration to activate: run "
                "`routectl calibrate --strong-fraction 0.3` first"
            )
        return newest
    chosen = calibration(connection, calibration_id)
    if chosen.route_id != route.id:
        owner = routes.route_of(connection, chosen.route_id).name
        raise StoreError(
            f"calibration {chosen.id} was made for route {owner!r}, and what it says does not hold "
            f"for {route.name!r}: run `routectl calibrate --route {route.name}`, whose scores are "
            "there already"
        )
    return chosen


def roll_back(
    location: Location, *, route: str | None, to: int | None, note: str | None
) -> Activated:
    """Append what a route ran before, or an earlier activation of it.

    Args:
        to: id of an activation of this route, earlier than the one that runs now.

        route: None is the only one there is.

    Raises:
        StoreError: there is no such route or activation, or it is of another extraction version.
        UsageError: the activation is not an earlier one; or there are several routes, and none is
            named.
    """
    with open_store(location) as store, store.write() as connection:
        stored = picked_route(connection, route)
        if stored is None:
            raise StoreError("nothing was ever activated: there is nothing to roll back")
        name = stored.name
        log = routes.activations(connection, stored.id)
        target = routes.step_back(log, name) if to is None else _earlier(log, to, name)
        require_extraction(_activated(connection, target, name, active=False).policy)
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
        return _activated(connection, row, name, active=True)


@dataclass(frozen=True, slots=True)
class CalibrationEntry:
    """A calibration with its route's name and its policy."""

    row: Calibration
    route: str
    policy: Policy


@dataclass(frozen=True, slots=True)
class RouteChangeEntry:
    """A change of a route, with the name that the route has now."""

    row: RouteChange
    route: str


@dataclass(frozen=True, slots=True)
class History:
    """Calibrations, activations and changes of routes, newest first."""

    calibrations: list[CalibrationEntry]
    activations: list[Activated]
    route_changes: list[RouteChangeEntry]


def history(location: Location, *, route: str | None, limit: int) -> History:
    """What was calibrated, what ran and what routes were, newest first.

    Args:
        route: of this one alone; None: of all.
        limit: of each the newest entries.
    """
    with open_store(location) as store, store.read() as connection:
        chosen = None if route is None else picked_route(connection, route)
        named = routes.routes(connection) if chosen is None else [chosen]
        entries = [
            _activated(connection, row, r.name, active=index == 0)
            for r in named
            for index, row in enumerate(reversed(routes.activations(connection, r.id)))
        ]
        entries.sort(key=lambda entry: entry.id, reverse=True)
        only = None if chosen is None else chosen.id
        return History(
            [
                CalibrationEntry(
                    row, routes.route_of(connection, row.route_id).name, of_calibration(row)
                )
                for row in calibrations(connection, limit, route_id=only)
            ],
            entries[:limit],
            [
                RouteChangeEntry(row, routes.route_of(connection, row.route_id).name)
                for row in routes.route_changes(connection, route_id=only, limit=limit)
            ],
        )


def last_calibrated(connection: Connection, log: Sequence[Activation]) -> Policy | None:
    """The policy of the last calibration that a route ran, if it ever ran one."""
    last = next((a.calibration_id for a in reversed(log) if a.calibration_id is not None), None)
    return None if last is None else of_calibration(calibration(connection, last))


def _earlier(log: list[Activation], to: int, route: str) -> Activation:
    activation = next((a for a in log if a.id == to), None)
    if activation is None:
        raise StoreError(
            f"route {route!r} has no activation {to}: `routectl history --route {route}` lists them"
        )
    target = routes.activated_by(log, activation)
    if target.id >= routes.activated_by(log, log[-1]).id:
        raise UsageError(
            f"activation {to} is not earlier than what runs now, and a rollback walks back: "
            "use `routectl activate` to go forward"
        )
    return target


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
