"""Requests with what a look back needs: their scores, their tokens, who decided them and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, select
from sqlalchemy.orm import aliased

from routectl.records import Population
from routectl.request import FIRST_TIME, LAST_TIME, MOST_DOLLARS, MOST_TOKENS
from routectl.store.models import Request, Score
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


def request_table(
    connection: Connection,
    population: Population,
    version: int,
    *,
    routers: Sequence[int | None] = (),
    columns: Sequence[str] = (),
) -> RequestTable:
    """Read a population's requests.

    Args:
        routers: ids of those whose scores are wanted; None is one that never scored anything.
        columns: of `requests`, besides the numbers.
    """
    import numpy as np

    scores = {id: aliased(Score) for id in routers if id is not None}
    query = select(
        *_NUMBERS.values(),
        Request.prompt_id.is_not(None),
        *(score.win_rate for score in scores.values()),
        *(getattr(Request, name) for name in columns),
    ).where(*population_filter(population), Request.extraction_version == version)
    for id, score in scores.items():
        query = query.outerjoin(
            score, and_(score.router_id == id, score.prompt_id == Request.prompt_id)
        )
    rows = connection.execute(query.order_by(Request.id)).all()
    width = len(_NUMBERS) + 1 + len(scores) + len(columns)
    read = list(zip(*rows, strict=True)) if rows else [()] * width
    numbers = {
        name: np.array(values, dtype=np.float64)
        for name, values in zip(_NUMBERS, read, strict=False)
    }
    for name, (low, high) in _POSSIBLE.items():
        values = numbers[name]
        with np.errstate(invalid="ignore"):
            values[(values < low) | (values > high)] = np.nan
    by_router = {
        id: np.array(values, dtype=np.float64)
        for id, values in zip(scores, read[len(_NUMBERS) + 1 :], strict=False)
    }
    table = np.full((len(rows), len(routers)), np.nan)
    for column, router in enumerate(routers):
        if router is not None:
            table[:, column] = by_router[router]
    others = read[len(_NUMBERS) + 1 + len(scores) :]
    return RequestTable(
        **numbers,
        has_prompt=np.array(read[len(_NUMBERS)], dtype=np.bool_),
        scores=table,
        values={name: list(values) for name, values in zip(columns, others, strict=True)},
    )
