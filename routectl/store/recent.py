"""The newest requests of a population, and what the last of them cost, by the index of times."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, and_, cast, func, or_, select

from routectl.records import Exclusion, Population
from routectl.request import FIRST_TIME, MOST_DOLLARS, OVERRIDDEN
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


@dataclass(frozen=True, slots=True)
class Booked:
    """What a population's requests of one model cost, as booked; weights, and US dollars."""

    model: str | None
    cost: float
    requests: float
    with_cost: float
    """Of these: whose cost is known."""
    answered_for_nothing: float
    """Answered by the model itself, with tokens, and booked at 0."""


def booked_by_model(connection: Connection, population: Population) -> list[Booked]:
    """What a population's requests cost, by the model that answered."""
    possible = Request.cost.between(-MOST_DOLLARS, MOST_DOLLARS)
    for_nothing = and_(
        Request.cost == 0, Request.tokens_out > 0, Request.cache_hit.is_distinct_from(True)
    )

    def total(column: Any, *conditions: Any) -> Any:
        return func.coalesce(func.sum(column).filter(*conditions), 0.0)

    rows = connection.execute(
        select(
            Request.model,
            total(Request.weight * Request.cost, possible),
            func.sum(Request.weight),
            total(Request.weight, possible),
            total(Request.weight, for_nothing),
        )
        .where(*population_filter(population))
        .group_by(Request.model)
    )
    return [Booked(model, *map(float, numbers)) for model, *numbers in rows]


@dataclass(frozen=True, slots=True)
class NewestDecision:
    """The newest request of a route whose log says how the proxy decided it."""

    time: datetime
    activation: str | None
    """As the log has it, such as a7."""
    source_kind: str
    """Of that log."""


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
            select(Request.time, Request.proxy_activation, Request.source_kind)
            .where(
                Request.proxy_route == name,
                Request.proxy_reason.is_distinct_from(OVERRIDDEN),
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
    time = datetime.fromtimestamp(newest.time, UTC)
    return NewestDecision(time, newest.proxy_activation, newest.source_kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionsAlike:
    """Requests whose log says the same of their decision, as `request.decided_by` reads it."""

    route: str | None
    activation: str | None
    decision: str | None
    """One of theirs."""
    reason: str | None
    would_be_reason: str | None
    has_text: bool
    """The conversation holds human text, whether the log kept it or not."""
    weight: float
    newest: datetime


def decisions_since(
    connection: Connection,
    names: Collection[str],
    *,
    since: datetime,
    before: datetime,
    routed_since: datetime | None,
    source_kind: str | None,
) -> list[DecisionsAlike]:
    """The decisions of a route's answered requests, cache hits left out, in groups.

    A request is the route's where its log names the route; and where the client called it by that
    name, if anything decided it, or something should have.

    Args:
        names: those that the log may call the route by.
        routed_since: when a log first named it: from then on a decision is to be expected,
        source_kind: in logs of this format.
    """
    is_called = Request.model_group.in_(names)
    belongs = [Request.proxy_route.in_(names), and_(is_called, Request.proxy_decision.is_not(None))]
    if routed_since is not None and source_kind is not None:
        is_routed = Request.time >= routed_since.timestamp()
        belongs.append(and_(is_called, is_routed, Request.source_kind == source_kind))
    has_text = Request.exclusion.is_distinct_from(Exclusion.NO_TEXT.value)
    alike = (
        Request.proxy_route,
        Request.proxy_activation,
        Request.proxy_decision.is_not(None),
        Request.proxy_reason,
        Request.proxy_would_be_reason,
        has_text,
    )
    query = (
        select(
            Request.proxy_route,
            Request.proxy_activation,
            func.max(Request.proxy_decision),
            Request.proxy_reason,
            Request.proxy_would_be_reason,
            func.count().filter(has_text) > 0,
            func.sum(Request.weight),
            func.max(Request.time),
        )
        .where(
            Request.time >= max(since.timestamp(), FIRST_TIME),
            Request.time < before.timestamp(),
            Request.status.is_distinct_from("failure"),
            Request.cache_hit.is_not(True),
            or_(*belongs),
        )
        .group_by(*alike)
    )
    fields = ("route", "activation", "decision", "reason", "would_be_reason")
    rows: Sequence[Any] = connection.execute(query).all()
    return [
        DecisionsAlike(
            **dict(zip(fields, texts, strict=True)),
            has_text=bool(is_text),
            weight=float(weight),
            newest=datetime.fromtimestamp(newest, UTC),
        )
        for *texts, is_text, weight, newest in rows
    ]


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
