"""Routes, and what each ran and when: an append-only log where a rollback is one more row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from routectl.errors import StoreError
from routectl.records import IdKind
from routectl.route import Declaration
from routectl.store.column_types import DamagedValueError
from routectl.store.dialects import insert_ignoring_conflicts
from routectl.store.models import Activation, Route, RouteChange


def route(connection: Connection, name: str) -> Route | None:
    """The route with this name, if there is one that was not removed."""
    query = select(Route.__table__).where(Route.name == name, Route.removed_at.is_(None))
    row = connection.execute(query).mappings().first()
    return None if row is None else Route(**row)


def route_of(connection: Connection, route_id: int) -> Route:
    """The route with this id, removed or not."""
    query = select(Route.__table__).where(Route.id == route_id)
    return Route(**connection.execute(query).mappings().one())


def routes(connection: Connection) -> list[Route]:
    """Every route that was not removed, by name."""
    query = select(Route.__table__).where(Route.removed_at.is_(None)).order_by(Route.name)
    return [Route(**row) for row in connection.execute(query).mappings()]


def published_to(connection: Connection, path: str) -> list[Route]:
    """The routes that are published to this file and were not removed, by name."""
    return [row for row in routes(connection) if row.publish == path]


def declaration(row: Route) -> Declaration:
    """What is declared of a route; raises InputError where it is damaged."""
    return Declaration.from_json(
        {
            "models": row.models,
            "router": row.router,
            "population": row.population,
            "publish": row.publish,
            "drift_tolerance": row.drift_tolerance,
        }
    )


def add_route(connection: Connection, name: str, declared: Declaration | None = None) -> Route:
    """The route with this name, made with this declaration when there is none."""
    values = {"name": name, "created_at": _now(), **(declared or Declaration()).to_json()}
    connection.execute(insert_ignoring_conflicts(connection, Route), values)
    row = route(connection, name)
    assert row is not None
    return row


def change_route(connection: Connection, route_id: int, name: str, declared: Declaration) -> None:
    """Give a route this name and this declaration."""
    values = {"name": name, **declared.to_json()}
    connection.execute(update(Route).where(Route.id == route_id).values(values))


def remove_route(connection: Connection, route_id: int) -> None:
    """Take a route out of use; its row stays."""
    connection.execute(update(Route).where(Route.id == route_id).values(removed_at=_now()))


def add_route_change(
    connection: Connection,
    *,
    route_id: int,
    action: str,
    was: Mapping[str, Any] | None,
    now: Mapping[str, Any] | None,
    actor: str,
    note: str | None,
) -> None:
    """Append what a command changed of a route.

    Args:
        action: set, rename or remove.
        was: what changed, as plain JSON values; None where the route was made.
        now: the same as it is now; None where the route was removed.
    """
    values = {
        "route_id": route_id,
        "action": action,
        "was": None if was is None else dict(was),
        "now": None if now is None else dict(now),
        "actor": actor,
        "note": note,
        "created_at": _now(),
    }
    connection.execute(insert(RouteChange).values(**values))


def names_of(connection: Connection, row: Route) -> tuple[str, ...]:
    """The name of a route, then those that it had before and that no other route has now."""
    changes = select(RouteChange.was).where(RouteChange.route_id == row.id).order_by(RouteChange.id)
    before = [was["name"] for was in connection.execute(changes).scalars() if was and "name" in was]
    taken = {other.name for other in routes(connection) if other.id != row.id}
    return tuple(dict.fromkeys([row.name, *(name for name in before if name not in taken)]))


def published_before(connection: Connection, row: Route) -> tuple[str, ...]:
    """Files that a route was published to and is no longer."""
    changes = select(RouteChange.was).where(RouteChange.route_id == row.id).order_by(RouteChange.id)
    before = [was.get("publish") for was in connection.execute(changes).scalars() if was]
    return tuple(dict.fromkeys(path for path in before if path and path != row.publish))


def names_published_to(connection: Connection, path: str) -> set[str]:
    """Every name that a route has, or had, which was ever published to this file.

    Also of routes that were removed or are no longer published there.
    """
    names: dict[int, set[str]] = {}
    published = set()
    rows = connection.execute(select(Route.id, Route.name, Route.publish)).all()
    for route_id, name, publish in rows:
        names[route_id] = {name}
        if publish == path:
            published.add(route_id)
    changes = select(RouteChange.route_id, RouteChange.was, RouteChange.now)
    for route_id, *sides in connection.execute(changes):
        for values in filter(None, sides):
            if "name" in values:
                names[route_id].add(values["name"])
            if values.get("publish") == path:
                published.add(route_id)
    return {name for route_id in published for name in names[route_id]}


def route_changes(connection: Connection, *, route_id: int | None, limit: int) -> list[RouteChange]:
    """The newest changes (of a route), newest first."""
    query = select(RouteChange.__table__).order_by(RouteChange.id.desc()).limit(limit)
    if route_id is not None:
        query = query.where(RouteChange.route_id == route_id)
    return [RouteChange(**row) for row in connection.execute(query).mappings()]


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
    expires_at: datetime | None = None,
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
        "expires_at": expires_at,
    }
    statement = insert(Activation).values(**values).returning(Activation.id)
    return Activation(id=connection.execute(statement).scalar_one(), **values)


def activations(connection: Connection, route_id: int) -> list[Activation]:
    """A route's activations, oldest first."""
    query = (
        select(Activation.__table__).where(Activation.route_id == route_id).order_by(Activation.id)
    )
    return [Activation(**row) for row in connection.execute(query).mappings()]


def activation(connection: Connection, activation_id: int) -> Activation:
    """The activation with this id; raises StoreError when there is none."""
    query = select(Activation.__table__).where(Activation.id == activation_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise StoreError(
            f"no activation {IdKind.ACTIVATION.ref(activation_id)} in this database: "
            "`routectl history` lists them"
        )
    return Activation(**row)


def activated_by(log: Sequence[Activation], activation: Activation) -> Activation:
    """The activation whose decision this one carries: itself, or what it restores."""
    if activation.restores_id is None:
        return activation
    restored = next((a for a in log if a.id == activation.restores_id), None)
    if restored is None:
        raise DamagedValueError
    return restored


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
