"""Evaluations: immutable once written, with the rows that they were computed from.

The rows travel as one value: a zlib-compressed safetensors file with one tensor for each field of
`EvaluatedRows` that is known. So two evaluations of one benchmark can be compared prompt by prompt
later, and every figure can be computed again.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, RowMapping, insert, select

from routectl.errors import StoreError
from routectl.records import IdKind
from routectl.store.models import Evaluation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class EvaluatedRows:
    """Parallel arrays of shape (n,), one element a row of the benchmark."""

    prompts: NDArray[np.int64]
    """Ids."""
    win_rates: NDArray[np.float64]
    """The router's, in [0, 1]."""
    strong_quality: NDArray[np.float64]
    """In the benchmark's own unit."""
    weak_quality: NDArray[np.float64]
    weights: NDArray[np.float64] | None = None
    """How many requests a row stands for; None where all count alike."""
    strata: NDArray[np.int64] | None = None
    """Which rows were drawn together; None where they were not drawn by strata."""
    strong_cost: NDArray[np.float64] | None = None
    """US dollars of the strong model's answer; None where they are not known."""
    weak_cost: NDArray[np.float64] | None = None


def add_evaluation(connection: Connection, values: Mapping[str, Any], rows: EvaluatedRows) -> int:
    """Write an evaluation; returns its id.

    Args:
        values: the columns of the table, less `rows` and `columns`.
    """
    stored = {**values, "rows": len(rows.win_rates), "columns": _packed(rows)}
    statement = insert(Evaluation).values(**stored).returning(Evaluation.id)
    return int(connection.execute(statement).scalar_one())


def evaluation(connection: Connection, evaluation_id: int) -> Evaluation:
    """The evaluation with this id; raises StoreError when there is none."""
    query = select(Evaluation.__table__).where(Evaluation.id == evaluation_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise StoreError(
            f"no evaluation {IdKind.EVALUATION.ref(evaluation_id)} in this database: "
            "`routectl evaluations list` has them"
        )
    return Evaluation(**row)


def evaluations(
    connection: Connection, *, benchmark: str | None, router: str | None, limit: int
) -> list[RowMapping]:
    """The newest evaluations, newest first, without their rows."""
    columns = [column for column in Evaluation.__table__.columns if column.name != "columns"]
    query = select(*columns).order_by(Evaluation.id.desc()).limit(limit)
    if benchmark is not None:
        query = query.where(Evaluation.benchmark == benchmark)
    if router is not None:
        query = query.where(Evaluation.router == router)
    return list(connection.execute(query).mappings())


def newest_evaluation(connection: Connection, fingerprint: str) -> Evaluation | None:
    """The newest evaluation of a router at a fingerprint, without its rows: on traffic before one
    on a benchmark."""
    columns = [column for column in Evaluation.__table__.columns if column.name != "columns"]
    query = (
        select(*columns)
        .where(Evaluation.fingerprint == fingerprint)
        .order_by(Evaluation.kind.desc(), Evaluation.id.desc())  # traffic, then benchmark
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else Evaluation(**row)


def rows_of(stored: Evaluation) -> EvaluatedRows:
    """The rows that an evaluation was computed from.

    Raises:
        StoreError: they are damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return EvaluatedRows(**load(zlib.decompress(stored.columns)))
    except (zlib.error, SafetensorError, TypeError):
        raise damaged_rows(stored) from None


def damaged_rows(stored: Evaluation) -> StoreError:
    """The error of an evaluation whose rows cannot be what was stored."""
    return StoreError(
        f"the rows of evaluation {IdKind.EVALUATION.ref(stored.id)} are damaged: "
        "restore the database from a copy"
    )


def _packed(rows: EvaluatedRows) -> bytes:
    from safetensors.numpy import save

    columns = {field.name: getattr(rows, field.name) for field in fields(rows)}
    return zlib.compress(save({n: values for n, values in columns.items() if values is not None}))
