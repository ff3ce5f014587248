"""`routectl export`: the policy that a proxy should carry out."""

from __future__ import annotations

from sqlalchemy import Connection

from routectl.errors import StoreError
from routectl.export import ActiveRoute, Exported
from routectl.store import routes
from routectl.store.calibrations import calibration, newest_calibration
from routectl.store.engine import Location
from routectl.store.models import Calibration, Route
from routectl.store.opening import open_store
from routectl.workflow.activating import last_calibrated
from routectl.workflow.policies import of_activation, of_calibration, require_extraction
from routectl.workflow.reporter import Reporter
from routectl.workflow.routing import picked_route


def to_export(
    location: Location, *, calibration_id: int | None, route: str | None, reporter: Reporter
) -> Exported:
    """What to export: a calibration that was named, else what the route runs.

    Without either the only route there is is meant; when it runs nothing, its newest calibration is
    taken, with a word.

    Raises:
        StoreError: there is nothing to export, or it is of another extraction version.
        UsageError: there are several routes, and none is named.
    """
    with open_store(location) as store, store.read() as connection:
        if calibration_id is not None:
            return _of_calibration(calibration(connection, calibration_id))
        stored = picked_route(connection, route)
        log = routes.activations(connection, stored.id) if stored is not None else []
        if stored is not None and log:
            active = _active(connection, stored)
            return Exported(active.policy, log[-1].policy is not None, active.strong_fraction)
        if route is not None:
            names = ", ".join(r.name for r in routes.routes(connection)) or "none yet"
            raise StoreError(f"nothing is active on route {route!r}; the routes are: {names}")
        newest = None if stored is None else newest_calibration(connection, stored.id)
        if newest is None:
            raise StoreError(
                "there is nothing to export: run `routectl calibrate --strong-fraction 0.3` first"
            )
        reporter.note(
            f"no calibration is active: this is the newest, {newest.id}; "
            "`routectl activate` makes it what runs"
        )
        return _of_calibration(newest)


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
        running = [row for row in stored if routes.activations(connection, row.id)]
        if not running:
            where = "on any route" if route is None else f"on route {route!r}"
            raise StoreError(f"nothing is active {where}: `routectl activate` makes it so")
        return {row.name: _active(connection, row) for row in running}


def _active(connection: Connection, row: Route) -> ActiveRoute:
    """What a route runs that was activated once."""
    log = routes.activations(connection, row.id)
    active, strong_fraction = log[-1], None
    if active.calibration_id is not None:
        strong_fraction = calibration(connection, active.calibration_id).strong_fraction
    policy = of_activation(active, row.name, last_calibrated(connection, log))
    require_extraction(policy)
    return ActiveRoute(policy, strong_fraction)


def _of_calibration(row: Calibration) -> Exported:
    policy = of_calibration(row)
    require_extraction(policy)
    return Exported(policy, row.policy is not None, row.strong_fraction)
