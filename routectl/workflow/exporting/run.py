"""`routectl export`: the policy that a proxy should carry out."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from routectl.errors import StoreError
from routectl.export import ActiveRoute, Exported
from routectl.records import IdKind
from routectl.route import DEFAULT_ROUTE
from routectl.store import routes
from routectl.store.calibrations import calibration, newest_calibration
from routectl.store.engine import Location
from routectl.store.models import Calibration, Route
from routectl.store.opening import open_store
from routectl.workflow.policies.activated import last_calibrated
from routectl.workflow.policies.stored import of_activation, of_calibration, require_extraction
from routectl.workflow.routes.in_use import picked_route


def to_export(location: Location, *, calibration_id: int | None, route: str | None) -> Exported:
    """What to export: a calibration that was named, else what the route runs, and nothing else.

    Args:
        route: None is the only one there is.

    Raises:
        StoreError: nothing is active there, or it is of another extraction version.
        UsageError: there are several routes, and none is named.
    """
    with open_store(location) as store, store.read() as connection:
        if calibration_id is not None:
            return _of_calibration(calibration(connection, calibration_id))
        stored = picked_route(connection, route)
        log = [] if stored is None else routes.activations(connection, stored.id)
        if stored is None or not log:
            raise StoreError(_nothing_is_active(connection, stored))
        active = _active(connection, stored)
        require_extraction(active.policy)
        return Exported(
            active.policy,
            log[-1].policy is not None,
            active.strong_fraction,
            log[-1].expires_at,
        )


def _nothing_is_active(connection: Connection, route: Route | None) -> str:
    """That a route runs nothing, and what would make it run something."""
    newest = None if route is None else newest_calibration(connection, route.id)
    others = [
        row.name
        for row in routes.routes(connection)
        if (route is None or row.id != route.id) and routes.activations(connection, row.id)
    ]
    name = DEFAULT_ROUTE if route is None else route.name
    running = f" (routes that run something: {', '.join(others)})" if others else ""
    if newest is None:
        how = "run `routectl calibrate --strong-fraction 0.3` and `routectl activate` first"
    else:
        ref = IdKind.CALIBRATION.ref(newest.id)
        how = (
            f"`routectl activate {ref}` makes its newest calibration what it runs, and "
            f"`routectl export --calibration {ref}` prints that without activating it"
        )
    return f"nothing is active on route {name!r}{running}: {how}"


def active_routes(location: Location, route: str | None) -> dict[str, ActiveRoute]:
    """What each route runs, by name; of a route that is named, this one's alone.

    Raises:
        StoreError: nothing is active, or there is no such route.
    """
    with open_store(location) as store, store.read() as connection:
        if route is not None:
            picked = picked_route(connection, route)
            stored = [] if picked is None else [picked]
        else:
            stored = routes.routes(connection)
        active = running(connection, stored)
        if not active:
            where = "on any route" if route is None else f"on route {route!r}"
            raise StoreError(f"nothing is active {where}: `routectl activate` makes it so")
        for one in active.values():
            require_extraction(one.policy)
        return active


def running(connection: Connection, stored: Sequence[Route]) -> dict[str, ActiveRoute]:
    """What each of these routes runs, by name, of those that run anything."""
    return {
        row.name: _active(connection, row)
        for row in stored
        if routes.activations(connection, row.id)
    }


def _active(connection: Connection, row: Route) -> ActiveRoute:
    """What a route runs that was activated once."""
    log = routes.activations(connection, row.id)
    active, strong_fraction = log[-1], None
    if active.calibration_id is not None:
        strong_fraction = calibration(connection, active.calibration_id).strong_fraction
    return ActiveRoute(
        of_activation(active, row.name, last_calibrated(connection, log)), strong_fraction
    )


def _of_calibration(row: Calibration) -> Exported:
    policy = of_calibration(row)
    require_extraction(policy)
    return Exported(policy, row.policy is not None, row.strong_fraction)
