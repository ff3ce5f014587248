"""Routes, and what each ran and when: an append-only log where a rollback is one more row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from routectl.errors import StoreError
from routectl.records import IdKind
from routectl.store.dialects import insert_ignoring_conflicts
from routectl.store.models import Activation, Route


def route(connection: Connection, name: str) -> Route | None:
    """The route with this name, if any."""
    row = connection.execute(select(Route.__table__).where(Route.name == name)).mappings().first()
    return None if row is None else Route(**row)


def routes(connection: Connection) -> list[Route]:
    """Every route, by name."""
    rows = connection.execute(select(Route.__table__).order_by(Route.name)).mappings()
    return [Route(**row) for row in rows]


def add_route(connection: Connection, name: str) -> Route:
    """The route with this name, made when there is none."""
    connection.execute(
        insert_ignoring_conflicts(connection, Route), {"name": name, "created_at": _now()}
    )
    row = route(connection, name)
    assert row is not None
    return row


def add_activation(
    connection: Connection,
    *,
    route_id: int,
    mode: str,
    calibration_id: int | None,
    restores_id: int | None,
    actor: str,
    note: str | None,
    policy: Mapping[str, Any] | None = None,
) -> Activation:
    """Append an activation."""
    values = {
        "route_id": route_id,
        "mode": mode,
        "calibration_id": calibration_id,
        "restores_id": restores_id,
        "actor": actor,
        "note": note,
        "created_at": _now(),
        "policy": None if policy is None else dict(policy),
    }
    statement = insert(Activation).values(**values).returning(Activation.id)
    return Activation(id=connection.execute(statement).scalar_one(), **values)


def activations(connection: Connection, route_id: int) -> list[Activation]:
    """A route's activations, oldest first."""
    query = (
        select(Activation.__table__).where(Activation.route_id == route_id).order_by(Activation.id)
    )
    return [Activation(**row) for row in connection.execute(query).mappings()]


def activated_by(log: Sequence[Activation], activation: Activation) -> Activation:
    """The activation whose decision this one carries: itself, or what it restores."""
    if activation.restores_id is None:
        return activation
    return next(a for a in log if a.id == activation.restores_id)


def step_back(log: Sequence[Activation], name: str) -> Activation:
    """What a rollback of this route restores: what ran before the decision that runs now.

    It always walks back: after a rollback from C to B, the next one goes to A, not to C.
    Raises StoreError when nothing ran before.
    """
    if not log:
        raise StoreError(f"route {name!r} has never been activated: there is nothing to roll back")
    decision = activated_by(log, log[-1])
    before = [a for a in log if a.id < decision.id]
    if not before:
        raise StoreError(
            f"route {name!r} runs its first activation ({IdKind.ACTIVATION.ref(decision.id)}): "
            "there is nothing before it"
        )
    return activated_by(log, before[-1])


def _now() -> datetime:
    return datetime.now(UTC)
