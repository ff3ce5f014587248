"""Requests of some days with one router's scores, the newest of them, and what a proxy decided.

A look at the last days reads some thousand rows by the index on their times; `scores` reads a
million at once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Double, and_, func, literal, select
from sqlalchemy.sql.elements import ColumnElement

from routectl.records import Population
from routectl.request import FIRST_TIME, LAST_TIME, MOST_DOLLARS, MOST_TOKENS
from routectl.store.column_types import DamagedValueError
from routectl.store.models import Request, Router, Score
from routectl.store.populations import population_filter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_UNKNOWN = -1.0
"""In place of a null, where no number can be below 0."""


def router_at(connection: Connection, name: str, fingerprint: str) -> int | None:
    """The id of a router at this fingerprint, if it was ever stored."""
    query = select(Router.id).where(Router.name == name, Router.fingerprint == fingerprint)
    return connection.execute(query).scalar()


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


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Parallel arrays, one element a request."""

    times: NDArray[np.float64]
    """Seconds since 1970 in UTC, never NaN."""
    weights: NDArray[np.float64]
    scorable: NDArray[np.bool_]
    """It has a prompt of the asked version of the text extraction."""
    win_rates: NDArray[np.float64]
    """NaN where there is no score."""
    tokens: NDArray[np.float64]
    """Tokens in and out; NaN where unknown."""
    spend: NDArray[np.float64]
    """US dollars, as booked; NaN where unknown."""
    other_versions: float
    """Weight of requests that another version of the text extraction read."""

    def __len__(self) -> int:
        return len(self.times)


def requests_within(
    connection: Connection, router: int | None, population: Population, version: int
) -> Window:
    """A population's requests with a router's scores, in no order.

    Args:
        router: None where it has no scores yet.
        population: with a `since`, or all that have a time.
        version: of the text extraction.
    """
    import numpy as np

    of_score = and_(Score.router_id == (-1 if router is None else router), _same_prompt())
    current = Request.extraction_version == version
    columns: tuple[ColumnElement[Any], ...] = (
        Request.time.expression,
        Request.weight.expression,
        func.coalesce(Request.extraction_version, _UNKNOWN),
        func.coalesce(Request.prompt_id, _UNKNOWN),
        func.coalesce(Score.win_rate, literal(_UNKNOWN, Double)),
        func.coalesce(Request.tokens_in + Request.tokens_out, _UNKNOWN),
        func.coalesce(Request.cost, literal(_UNKNOWN, Double)),
    )
    query = (
        select(*columns)
        .select_from(Request)
        .outerjoin(Score, and_(of_score, current))
        .where(*population_filter(population), Request.time.between(FIRST_TIME, LAST_TIME))
    )
    rows = _numbers(connection.execute(query), len(columns))
    of_version = rows[2] == version
    spend = np.where((rows[6] < 0) | (rows[6] > MOST_DOLLARS), np.nan, rows[6])
    tokens = np.where((rows[5] < 0) | (rows[5] > 2 * MOST_TOKENS), np.nan, rows[5])
    return Window(
        times=rows[0],
        weights=rows[1],
        scorable=of_version & (rows[3] >= 0),
        win_rates=np.where(rows[4] < 0, np.nan, rows[4]),
        tokens=tokens,
        spend=spend,
        other_versions=float(rows[1][~of_version & (rows[3] >= 0)].sum()),
    )


def _same_prompt() -> ColumnElement[bool]:
    return Score.prompt_id == Request.prompt_id


def _numbers(result: Any, columns: int) -> NDArray[np.float64]:
    """A result's rows as float64[columns, rows]."""
    import numpy as np

    cursor = result.cursor
    try:
        flat = np.fromiter((number for row in cursor for number in row), dtype=np.float64, count=-1)
    except (ValueError, TypeError, OverflowError):
        raise DamagedValueError from None
    result.close()
    return flat.reshape(-1, columns).T


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
@dataclass(frozen=True, slots=True)
class LoggedDecision:
    """A request that the proxy decided, as the log has it, with the stored score."""

    time: float | None
    weight: float
    prompt: int | None
    win_rate: float | None
    decision: str | None
    reason: str | None
    fingerprint: str | None


def logged_decisions(
    connection: Connection,
    router: int | None,
    names: Collection[str],
    activations: Sequence[str],
    population: Population,
    version: int,
) -> list[LoggedDecision]:
    """What the proxy decided by some activations of a route, in no order.

    Args:
        names: those that the log may call the route by.
        activations: as the log names them, such as a7.
        version: of the text extraction.
    """
    of_score = and_(Score.router_id == (-1 if router is None else router), _same_prompt())
    query = (
        select(
            Request.time,
            Request.weight,
            Request.prompt_id,
            Score.win_rate,
            Request.proxy_decision,
            Request.proxy_reason,
            Request.proxy_fingerprint,
        )
        .select_from(Request)
        .outerjoin(Score, and_(of_score, Request.extraction_version == version))
        .where(
            *population_filter(population),
            Request.proxy_route.in_(names),
            Request.proxy_activation.in_(activations),
            Request.time.between(FIRST_TIME, LAST_TIME),
        )
    )
    return [LoggedDecision(*row.tuple()) for row in connection.execute(query)]
