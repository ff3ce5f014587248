"""An activation as it is read: what a route runs or ran, with its calibration and policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from routectl.policy import Policy
from routectl.records import Population
from routectl.store.calibrations import calibration
from routectl.store.models import Activation, Calibration
from routectl.workflow.policies.stored import of_activation, of_calibration
from routectl.workflow.routes.in_use import RouteInUse


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
    expires_at: datetime | None = None
    """When somebody has to look at it again; None: never."""
    was: Activated | None = None
    """What the route ran until then; only of an activation that was just asked for."""
    appended: bool = True
    """False: the route ran the very same before, and nothing was written."""

    @property
    def calibration_id(self) -> int | None:
        """None of what is unconditional."""
        return None if self.calibration is None else self.calibration.id

    @property
    def strong_fraction(self) -> float | None:
        """The calibrated share of the requests, in [0, 1]; None of what is unconditional."""
        return None if self.calibration is None else self.calibration.strong_fraction

    @property
    def nothing_changes(self) -> bool:
        """The route ran the very same before."""
        if self.was is None:
            return False
        ours, theirs = (
            (
                replace(one.policy, activation_id=None),
                one.calibration_id,
                one.expires_at,
            )
            for one in (self, self.was)
        )
        return ours == theirs


def activated(connection: Connection, row: Activation, route: str, *, active: bool) -> Activated:
    """An activation with its calibration and policy, under the name that its route has now."""
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
        expires_at=row.expires_at,
    )


def population_of(route: RouteInUse, active: Activated) -> Population:
    """The requests that an active policy is about: its calibration's filters, without a window;
    of what is unconditional, those of the route."""
    if active.calibration is None:
        return route.population(Population())
    stored = Population.from_json(active.calibration.population)
    return replace(stored, since=None, until=None, routed=route.routed)


def last_calibrated(connection: Connection, log: Sequence[Activation]) -> Policy | None:
    """The policy of the last calibration that a route ran, if it ever ran one."""
    last = next((a.calibration_id for a in reversed(log) if a.calibration_id is not None), None)
    return None if last is None else of_calibration(calibration(connection, last))


def last_calibrated_activation(
    connection: Connection, log: Sequence[Activation], route: str
) -> tuple[Activation, Policy] | None:
    """The last activation of a calibration on a route, with its policy."""
    last = next((row for row in reversed(log) if row.calibration_id is not None), None)
    if last is None:
        return None
    return last, activated(connection, last, route, active=False).policy
