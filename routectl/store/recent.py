"""The newest requests of a population, and what the last of them cost, by the index of times."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import BigInteger, Connection, cast, func, select

from routectl.records import Population
from routectl.request import FIRST_TIME, MOST_DOLLARS
from routectl.store.models import Request
from routectl.store.populations import population_filter


def newest_time(
    connection: Connection, population: Population, *, before: datetime
) -> datetime | None:
    """The time of a population's newest request before some time; None where there is none.

    A clock that is wrong, or a log that is, may have requests of the future.
    """
    query = (
        select(Request.time)
        .where(*population_filter(population), Request.time.between(FIRST_TIME, before.timestamp()))
        .order_by(Request.time.desc())
        .limit(1)
    )
    newest = connection.execute(query).scalar()
    return None if newest is None else datetime.fromtimestamp(newest, UTC)


def weight_of_other_versions(connection: Connection, population: Population, version: int) -> float:
    """Weight of a population's requests with a prompt that another version of the text extraction
    read."""
    query = select(func.coalesce(func.sum(Request.weight), 0.0)).where(
        *population_filter(population),
        Request.extraction_version != version,
        Request.prompt_id.is_not(None),
    )
    return float(connection.execute(query).scalar_one())


def booked(connection: Connection, population: Population) -> tuple[float, float]:
    """What a population's requests cost as booked, in US dollars, and the share whose cost is
    known; 0 and 0 where there are no requests."""
    possible = Request.cost.between(-MOST_DOLLARS, MOST_DOLLARS)
    cost, priced, weight = connection.execute(
        select(
            func.coalesce(func.sum(Request.weight * Request.cost).filter(possible), 0.0),
            func.coalesce(func.sum(Request.weight).filter(possible), 0.0),
            func.coalesce(func.sum(Request.weight), 0.0),
        ).where(*population_filter(population))
    ).one()
    return float(cost), float(priced) / float(weight) if weight else 0.0


@dataclass(frozen=True, slots=True)
class NewestDecision:
    """The newest request of a route whose log says how the proxy decided it."""

    time: datetime
    activation: str | None
    """As the log has it, such as a7."""


def newest_decision(
    connection: Connection, names: Collection[str], *, before: datetime
) -> NewestDecision | None:
    """The newest decision before some time that the log has of a route.

    Args:
        names: those that the log may call the route by.
    """
    newest = None
    for name in names:
        query = (
            select(Request.time, Request.proxy_activation)
            .where(
                Request.proxy_route == name,
                Request.time.between(FIRST_TIME, before.timestamp()),
            )
            .order_by(Request.time.desc())
            .limit(1)
        )
        row = connection.execute(query).first()
        if row is not None and (newest is None or row.time > newest.time):
            newest = row
    if newest is None:
        return None
    return NewestDecision(datetime.fromtimestamp(newest.time, UTC), newest.proxy_activation)


def booked_by_day(connection: Connection, population: Population) -> dict[int, float]:
    """What a population's requests cost as booked, in US dollars, by days since 1970-01-01."""
    days = Request.time / 86_400.0
    # Not every SQLite has floor(), and PostgreSQL rounds where SQLite cuts off.
    is_sqlite = connection.dialect.name == "sqlite"
    day = cast(days, BigInteger) if is_sqlite else func.floor(days)
    query = (
        select(day, func.sum(Request.weight * Request.cost))
        .where(
            *population_filter(population),
            Request.cost.between(-MOST_DOLLARS, MOST_DOLLARS),
            Request.time >= FIRST_TIME,
        )
        .group_by(day)
    )
    return {int(number): float(cost) for number, cost in connection.execute(query)}
