"""Requests with what a look back needs: their scores, their tokens, who decided them and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, and_, or_, select
from sqlalchemy.orm import aliased

from routectl.records import Population
from routectl.request import FIRST_TIME, LAST_TIME, MOST_DOLLARS, MOST_TOKENS
from routectl.store.batches import call_part
from routectl.store.column_types import DamagedValueError
from routectl.store.models import Request, Sample, Score
from routectl.store.populations import population_filter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NUMBERS = {
    "weight": Request.weight,
    "time": Request.time,
    "tokens_in": Request.tokens_in,
    "tokens_out": Request.tokens_out,
    "cost": Request.cost,
}
_POSSIBLE = {
    "time": (FIRST_TIME, LAST_TIME),
    "tokens_in": (0, MOST_TOKENS),
    "tokens_out": (0, MOST_TOKENS),
    "cost": (-MOST_DOLLARS, MOST_DOLLARS),
}
"""What lies outside counts as unknown, as everywhere (`routectl.request`)."""


@dataclass(frozen=True, slots=True, eq=False)
class RequestTable:
    """Requests of a population, in columns of n rows in the order of their ids."""

    weight: NDArray[np.float64]
    """How many requests of the traffic each row stands for; above 0."""
    time: NDArray[np.float64]
    """Epoch seconds in UTC; NaN where unknown, as the next three."""
    tokens_in: NDArray[np.float64]
    tokens_out: NDArray[np.float64]
    cost: NDArray[np.float64]
    """US dollars, as the proxy booked them."""
    has_prompt: NDArray[np.bool_]
    scores: NDArray[np.float64]
    """Shape (n, R), one column for each router; NaN where it has not scored the prompt."""
    values: dict[str, list[Any]]
    """The other columns that were asked for, by name; None where the log does not say."""

    def __len__(self) -> int:
        return len(self.weight)


def requests_with_id(connection: Connection, id: str) -> list[Request]:
    """The requests that a log names so, by their own id or by the id of their call, newest first.

    Two requests that share an id in a log are told apart by what is added to it.
    """
    kinds = list(connection.execute(select(Sample.source_kind).distinct()).scalars())
    by_id = or_(Request.source_id == id, Request.source_id.like(f"{_escaped(id)}~%", escape="\\"))
    rows: dict[int, Request] = {}
    for kind in kinds:
        call = call_part(kind, id)
        # The first key above all of those that begin so: digests are hexadecimal.
        by_call = and_(Request.attempt_key >= call, Request.attempt_key < f"{call}g")
        for chosen in (and_(Request.source_kind == kind, by_id), by_call):
            for row in connection.execute(select(Request.__table__).where(chosen)).mappings():
                # SQLite's LIKE does not tell capital letters from small ones.
                if row["source_id"].startswith(id) or chosen is by_call:
                    rows[row["id"]] = Request(**row)
    return sorted(rows.values(), key=lambda row: (row.time or 0.0, row.id), reverse=True)


def first_prompt(connection: Connection, conversation: int, version: int) -> int:
    """The id of the prompt that a conversation began with: the earliest, else the first stored."""
    query = (
        select(Request.prompt_id)
        .where(
            Request.conversation_key == conversation,
            Request.extraction_version == version,
            Request.prompt_id.is_not(None),
        )
        .order_by(Request.time.is_(None), Request.time, Request.id)
        .limit(1)
    )
    prompt = connection.execute(query).scalar_one()
    assert prompt is not None
    return prompt


def is_in(connection: Connection, request: int, population: Population) -> bool:
    """Whether a request is in a population."""
    query = select(Request.id).where(Request.id == request, *population_filter(population))
    return connection.execute(query).scalar() is not None


def _escaped(text: str) -> str:
    """Text that LIKE takes as it is."""
    return "".join(f"\\{one}" if one in "%_\\" else one for one in text)


def request_table(
    connection: Connection,
    population: Population,
    version: int | None,
    *,
    routers: Sequence[int | None] = (),
    columns: Sequence[str] = (),
    numbers: Sequence[str] = tuple(_NUMBERS),
) -> RequestTable:
    """Read a population's requests.

    Args:
        version: of the text extraction that wrote them; None is any, where no text matters.
        routers: ids of those whose scores are wanted; None is one that never scored anything.
        columns: of `requests`, besides the numbers.
        numbers: those that are wanted, `weight` among them: each takes its time. Others are NaN.
    """
    import numpy as np

    scores = {id: aliased(Score) for id in routers if id is not None}
    query = select(
        *(_NUMBERS[name] for name in numbers),
        Request.prompt_id.is_not(None),
        *(score.win_rate for score in scores.values()),
        *(getattr(Request, name) for name in columns),
    ).where(*population_filter(population))
    if version is not None:
        query = query.where(Request.extraction_version == version)
    for id, score in scores.items():
        query = query.outerjoin(
            score, and_(score.router_id == id, score.prompt_id == Request.prompt_id)
        )
    # SQLite would walk a million rows in this order, where the index of times knows the few.
    order = Request.id.expression if population.since is None else Request.id + 0
    rows = _rows(connection, query.order_by(order), only_numbers=not columns)
    width = len(numbers) + 1 + len(scores) + len(columns)
    read = list(zip(*rows, strict=True)) if rows else [()] * width
    by_name = dict.fromkeys(_NUMBERS, np.full(len(rows), np.nan))
    by_name |= {name: _floats(values) for name, values in zip(numbers, read, strict=False)}
    for name in _POSSIBLE.keys() & set(numbers):
        values, (low, high) = by_name[name], _POSSIBLE[name]
        with np.errstate(invalid="ignore"):
            values[(values < low) | (values > high)] = np.nan
    by_router = {
        id: _floats(values) for id, values in zip(scores, read[len(numbers) + 1 :], strict=False)
    }
    table = np.full((len(rows), len(routers)), np.nan)
    for column, router in enumerate(routers):
        if router is not None:
            table[:, column] = by_router[router]
    others = read[len(numbers) + 1 + len(scores) :]
    return RequestTable(
        **by_name,
        has_prompt=np.array(read[len(numbers)], dtype=np.bool_),
        scores=table,
        values={name: list(values) for name, values in zip(columns, others, strict=True)},
    )


def _rows(
    connection: Connection, query: Select[*tuple[Any, ...]], *, only_numbers: bool
) -> Sequence[Any]:
    """The rows of a query; of numbers alone as the driver hands them over, in half of the time."""
    result = connection.execute(query)
    if not only_numbers:
        return result.all()
    rows: Sequence[Any] = result.cursor.fetchall() if result.cursor is not None else []
    result.close()
    return rows


def _floats(values: Sequence[Any]) -> NDArray[np.float64]:
    import numpy as np

    try:
        return np.array(values, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        raise DamagedValueError from None
