"""`routectl recalibrate`: what a route runs, asked again of fresh traffic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import Connection

from routectl.errors import InputError
from routectl.records import IdKind, Population
from routectl.routers import open_pinned
from routectl.store import routes
from routectl.store.calibrations import calibration
from routectl.store.engine import Location
from routectl.store.models import Activation, Calibration, Route
from routectl.store.opening import open_store
from routectl.workflow.activating.comparing import Difference, difference
from routectl.workflow.activating.run import Asked, activate, doubts
from routectl.workflow.calibrating.recorded import RecordedCalibration, recorded
from routectl.workflow.calibrating.run import Question, calibrate
from routectl.workflow.policies.activated import Activated
from routectl.workflow.policies.deciding import named_policy
from routectl.workflow.reporter import Reporter
from routectl.workflow.routes.in_use import in_use, picked_route


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How to recalibrate a route."""

    route: str | None
    """None is the only one there is."""
    window: Population
    """Times alone; without a beginning, as long as the window of what runs, up to now."""
    activate: bool
    """Also activate what comes out, unless `activate` would want --force for it."""
    note: str | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibrated:
    """What came out."""

    active: int
    """The activation that ran before."""
    calibration: RecordedCalibration
    difference: Difference
    doubts: list[str]
    """Why `activate` would want --force for it."""
    activated: Activated | None
    """None where nothing was activated."""


def recalibrate(location: Location, wanted: Wanted, reporter: Reporter) -> Recalibrated:
    """Calibrate anew what a route runs: the same target, router and filters on fresh traffic.

    Raises:
        InputError: the route runs nothing, or what it runs has no target.
        RoutectlError: its router cannot be opened; or as `calibrate`.
    """
    with open_store(location) as store, store.read() as connection:
        stored, active, active_calibration = _active(connection, wanted.route)
        ran = recorded(connection, active_calibration)
        question = _question(connection, stored, ran, wanted)
    router = open_pinned(ran.policy.routers[0])
    (result,) = calibrate(location, [router], question, reporter)
    assert result.id is not None
    with open_store(location) as store, store.read() as connection:
        changed = difference(
            connection,
            named_policy(connection, IdKind.ACTIVATION, active.id),
            named_policy(connection, IdKind.CALIBRATION, result.id),
            Population(until=wanted.window.until),
            reporter,
        )
    against = doubts(location, result.id)
    done = None
    if wanted.activate and not against:
        asked = Asked(calibration_id=result.id, expires_at=wanted.expires_at)
        done = activate(location, asked, route=stored.name, note=wanted.note)
    return Recalibrated(
        active=active.id,
        calibration=result,
        difference=changed,
        doubts=against,
        activated=done,
    )


def _active(connection: Connection, name: str | None) -> tuple[Route, Activation, Calibration]:
    """A route, what it runs, and the calibration of that.

    Raises:
        InputError: it runs nothing, or what is unconditional.
    """
    stored = picked_route(connection, name)
    log = [] if stored is None else routes.activations(connection, stored.id)
    if stored is None or not log:
        raise InputError(
            f"route {in_use(connection, stored).name!r} runs nothing, so there is no target to "
            "keep: run `routectl calibrate` and `routectl activate` first"
        )
    if log[-1].calibration_id is None:
        rule = log[-1].mode.replace("_", "-")
        raise InputError(
            f"route {stored.name!r} runs {rule}, which has no target to keep: `routectl rollback` "
            "brings back what ran before, and `routectl calibrate` takes a target"
        )
    return stored, log[-1], calibration(connection, log[-1].calibration_id)


def _question(
    connection: Connection, stored: Route, ran: RecordedCalibration, wanted: Wanted
) -> Question:
    route = in_use(connection, stored)
    population = Population.from_json(ran.population)
    since = wanted.window.since
    if since is None and population.since is not None:
        # As long as it was when that one was made, and not the same days again.
        end = wanted.window.until or datetime.now(UTC)
        since = end - ((population.until or ran.created_at) - population.since)
    return Question(
        target=ran.choice.target,
        route=route,
        population=replace(population, since=since, until=wanted.window.until, routed=route.routed),
        confidence=ran.choice.certainty.long_run.confidence,
        next_requests=ran.choice.certainty.next_requests,
        note=wanted.note,
        by=ran.policy.segment_field,
        unit=ran.policy.unit,
    )
