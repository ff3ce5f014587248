"""`routectl activate` and `rollback`: what a route runs, by whom, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import Connection

from routectl.errors import StoreError, UsageError
from routectl.policy import LIVE, THRESHOLD, Policy
from routectl.records import IdKind
from routectl.route import quoted
from routectl.store import routes
from routectl.store.calibrations import calibration, calibrations, newest_calibration, run_of
from routectl.store.engine import Location
from routectl.store.models import Activation, Calibration, Route
from routectl.store.opening import open_store
from routectl.workflow.activating.doubts import doubts_about, require_no_doubt
from routectl.workflow.actor import actor
from routectl.workflow.policies.activated import (
    Activated,
    activated,
    last_calibrated,
    last_calibrated_activation,
)
from routectl.workflow.policies.stored import of_calibration, require_extraction, unconditional
from routectl.workflow.routes.in_use import declared_models, default_route, picked_route

SEVERAL = 8
"""Calibrations that a sentence names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be activated.

    Raises:
        UsageError: a mode or a fallback of what is unconditional.
    """

    rule: str = THRESHOLD
    """threshold, always_strong or always_weak."""
    calibration_id: int | None = None
    """Of the rule threshold; None is the one that the last run made."""
    mode: str | None = None
    """live, shadow or canary=SHARE; None keeps that of the route, which is live at first."""
    fallback: str | None = None
    """strong, weak or share; None keeps that of the route."""
    force: bool = False
    """Activate also what is refused at first: a baseline, another router, ..."""
    expires_at: datetime | None = None
    """When somebody has to look at it again; None: never."""
    again: bool = False
    """Write also what the route runs already, as a new expiry wants it."""

    def __post_init__(self) -> None:
        if self.rule != THRESHOLD and (self.mode or self.fallback):
            raise UsageError(
                f"{self.rule.replace('_', '-')} decides every request by itself, so leave out "
                "--mode and --fallback"
            )


def activate(location: Location, asked: Asked, *, route: str | None, note: str | None) -> Activated:
    """Append what a route runs from now on; nothing, where it runs the very same already.

    Args:
        route: None is the only one there is.
        note: why; with it, or `asked.again`, what runs already is appended, too.

    Raises:
        StoreError: there is no such route or calibration, or the calibration is of another route or
            extraction version, or older than modes are.
        UsageError: there are several routes or calibrations, and none is named; or it wants
            `force`.
    """
    with open_store(location) as store, store.write() as connection:
        chosen: Calibration | None = None
        stored = picked_route(connection, route) or default_route(connection)
        log = routes.activations(connection, stored.id)
        was = activated(connection, log[-1], stored.name, active=False) if log else None
        declared = routes.declaration(stored)
        if asked.rule == THRESHOLD:
            before = last_calibrated_activation(connection, log, stored.name)
            chosen = _to_activate(connection, stored, asked, log, before)
            policy = _completed(chosen, asked, stored.name, before)
            require_extraction(policy)
        else:
            policy = unconditional(
                asked.rule,
                stored.name,
                last_calibrated(connection, log),
                models=declared_models(declared),
            )
        if was is not None and note is None and not asked.again and _runs(was, policy, chosen):
            return replace(was, active=True, was=was, appended=False)
        if chosen is not None and not asked.force:
            require_no_doubt(
                chosen, list(doubts_about(connection, chosen, policy, before, declared))
            )
        # What a calibration of before the record cannot say, its activation cannot say either.
        recorded = chosen is None or chosen.policy is not None
        row = routes.add_activation(
            connection,
            route_id=stored.id,
            mode=asked.rule,
            calibration_id=None if chosen is None else chosen.id,
            restores_id=None,
            actor=actor(),
            note=note,
            policy=policy.to_json() if recorded else None,
            expires_at=asked.expires_at,
        )
        return replace(activated(connection, row, stored.name, active=True), was=was)


def doubts(location: Location, calibration_id: int) -> list[str]:
    """Why `activate` would want --force for a calibration on its route; empty: it would not.

    Raises:
        StoreError: there is no such calibration, or it is of another extraction version.
    """
    with open_store(location) as store, store.read() as connection:
        chosen = calibration(connection, calibration_id)
        assert chosen.route_id is not None, "a migration gave each its route"
        stored = routes.route_of(connection, chosen.route_id)
        log = routes.activations(connection, stored.id)
        before = last_calibrated_activation(connection, log, stored.name)
        policy = _completed(chosen, Asked(), stored.name, before)
        require_extraction(policy)
        declared = routes.declaration(stored)
        return list(doubts_about(connection, chosen, policy, before, declared))


def _runs(was: Activated, policy: Policy, chosen: Calibration | None) -> bool:
    """Whether a route runs this very policy of this very calibration."""
    asked = chosen and chosen.id
    return was.calibration_id == asked and replace(was.policy, activation_id=None) == policy


def _to_activate(
    connection: Connection,
    route: Route,
    asked: Asked,
    log: Sequence[Activation],
    before: tuple[Activation, Policy] | None,
) -> Calibration:
    """The calibration that a route is to run: the one that was named, else that of the last run."""
    if asked.calibration_id is None:
        newest = _of_the_last_run(connection, route)
        if before is not None:
            _require_unambiguous(newest.id, asked, log, before[0])
        return newest
    chosen = calibration(connection, asked.calibration_id)
    if chosen.route_id is not None and chosen.route_id != route.id:
        owner = routes.route_of(connection, chosen.route_id).name
        raise StoreError(
            f"calibration {IdKind.CALIBRATION.ref(chosen.id)} was made for route {owner!r}, and "
            f"what it says does not hold for {route.name!r}: run `routectl calibrate --route "
            f"{route.name}`, whose scores are there already"
        )
    return chosen


def _require_unambiguous(
    newest: int, asked: Asked, log: Sequence[Activation], before: Activation
) -> None:
    """Raise UsageError where a person who names no calibration may mean the one of before.

    A new mode, fallback or expiry may be meant for what runs, and a newest calibration that ran
    once was left for a reason.
    """
    if newest == before.calibration_id:
        return
    assert before.calibration_id is not None, "it is the last activation of a calibration"
    running, other = (IdKind.CALIBRATION.ref(id) for id in (before.calibration_id, newest))
    if asked.mode or asked.fallback or asked.again:
        raise UsageError(
            f"say which calibration: {running} ran last and {other} is newer, and a mode, a "
            f"fallback or an expiry may be meant for either: name {running} to keep what it "
            f"decides, {other} to change the threshold, too"
        )
    if any(row.calibration_id == newest for row in log):
        raise UsageError(
            f"say which calibration: the newest, {other}, ran before and was left for {running}: "
            f"name {other} to run it again"
        )


def _of_the_last_run(connection: Connection, route: Route) -> Calibration:
    """The only calibration of the last run.

    Raises:
        StoreError: the route has none.
        UsageError: the run made several, or is older than runs are recorded.
    """
    newest = newest_calibration(connection, route.id)
    if newest is None:
        raise StoreError(
            "there is no calibration to activate: run "
            "`routectl calibrate --strong-fraction 0.3` first"
        )
    if newest.run is None:
        # Which calibrations an older run made is not known.
        made = [row.id for row in calibrations(connection, SEVERAL, route_id=route.id)]
        why = "which of them the last run made is not recorded"
    else:
        made = list(reversed(run_of(connection, newest)))
        why = f"the last run made {len(made)}"
    if len(made) > 1:
        several = ", ".join(
            f"{IdKind.CALIBRATION.ref(id)} ({calibration(connection, id).router})"
            for id in made[:SEVERAL]
        )
        raise UsageError(
            f"say which calibration, because {why}: "
            f"`routectl activate {IdKind.CALIBRATION.ref(made[-1])}`, or another of {several}"
        )
    return newest


def _completed(
    chosen: Calibration, asked: Asked, route: str, before: tuple[Activation, Policy] | None
) -> Policy:
    """A calibration's policy with what its activation adds.

    Raises:
        StoreError: it has no record that could hold a mode.
    """
    policy = of_calibration(chosen)
    mode = asked.mode or (before and before[1].mode) or LIVE
    fallback = asked.fallback or (before and before[1].fallback) or None
    if chosen.policy is None and (mode != LIVE or fallback is not None):
        raise StoreError(
            f"calibration {IdKind.CALIBRATION.ref(chosen.id)} is older than modes and fallbacks "
            "and cannot hold one: run `routectl calibrate` again, or activate it with --mode live "
            "on a route without a fallback"
        )
    return replace(policy, mode=mode, fallback=fallback, route=route)


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
        require_extraction(activated(connection, target, name, active=False).policy)
        was = activated(connection, log[-1], name, active=False)
        row = routes.add_activation(
            connection,
            route_id=stored.id,
            mode=target.mode,
            calibration_id=target.calibration_id,
            restores_id=target.id,
            actor=actor(),
            note=note,
            policy=target.policy,
            expires_at=_still_ahead(target.expires_at),
        )
        return replace(activated(connection, row, name, active=True), was=was)


def _still_ahead(expires_at: datetime | None) -> datetime | None:
    """The expiry of what a rollback brings back: a past one would be over at once."""
    return expires_at if expires_at is not None and expires_at > datetime.now(UTC) else None


def _earlier(log: list[Activation], to: int, route: str) -> Activation:
    activation = next((a for a in log if a.id == to), None)
    if activation is None:
        raise StoreError(
            f"route {route!r} has no activation {IdKind.ACTIVATION.ref(to)}: "
            f"`routectl history --route {quoted(route)}` lists them"
        )
    target = routes.activated_by(log, activation)
    if target.id >= routes.activated_by(log, log[-1]).id:
        raise UsageError(
            f"activation {IdKind.ACTIVATION.ref(to)} is not earlier than what runs now, and a "
            "rollback walks back: "
            "use `routectl activate` to go forward"
        )
    return target
