"""`routectl export`: the decision that a proxy should carry out."""

from __future__ import annotations

from routectl.errors import StoreError
from routectl.export import Decision
from routectl.records import ModelPair
from routectl.store import routes
from routectl.store.calibrations import calibration, newest_calibration
from routectl.store.engine import Location
from routectl.store.models import Calibration
from routectl.store.opening import open_store
from routectl.workflow.activating import DEFAULT_ROUTE
from routectl.workflow.reporter import Reporter


def decide(
    location: Location, *, calibration_id: int | None, route: str | None, reporter: Reporter
) -> Decision:
    """What to export: a calibration that was named, else what the route runs.

    Without either the default route is meant; when it runs nothing, the newest calibration is
    taken, with a word.
    """
    name = route or DEFAULT_ROUTE
    with open_store(location) as store, store.read() as connection:
        if calibration_id is not None:
            return _decision(calibration(connection, calibration_id), None, None)
        found = routes.route(connection, name)
        log = routes.activations(connection, found.id) if found is not None else []
        if log:
            active = log[-1]
            if active.calibration_id is not None:
                return _decision(calibration(connection, active.calibration_id), name, active.id)
            last = next((a.calibration_id for a in reversed(log) if a.calibration_id), None)
            router = None if last is None else calibration(connection, last).router
            return Decision(
                mode=active.mode,
                router=router,
                threshold=None,
                fingerprint=None,
                model_pair=None,
                scored_as={},
                strong_fraction=None,
                calibration_id=None,
                route=name,
                activation_id=active.id,
            )
        if route is not None:
            known = ", ".join(r.name for r in routes.routes(connection)) or "none yet"
            raise StoreError(f"nothing is active on route {route!r}; the routes are: {known}")
        newest = newest_calibration(connection)
        if newest is None:
            raise StoreError(
                "there is nothing to export: run `routectl calibrate --strong-fraction 0.3` first"
            )
        reporter.note(
            f"no calibration is active: this is the newest, {newest.id}; "
            "`routectl activate` makes it what runs"
        )
        return _decision(newest, None, None)


def _decision(found: Calibration, route: str | None, activation_id: int | None) -> Decision:
    pair = None
    if found.strong_model is not None and found.weak_model is not None:
        pair = ModelPair(found.strong_model, found.weak_model)
    return Decision(
        mode="threshold",
        router=found.router,
        threshold=found.threshold,
        fingerprint=found.fingerprint,
        model_pair=pair,
        # Calibrations older than the option have no such detail.
        scored_as=found.details.get("scored_as", {}),
        strong_fraction=found.strong_fraction,
        calibration_id=found.id,
        route=route,
        activation_id=activation_id,
    )
