"""`routectl evaluations list|show|compare`: what was evaluated, and two of them side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from routectl.errors import UsageError
from routectl.records import IdKind
from routectl.store import evaluations as stored
from routectl.store.engine import Location
from routectl.store.models import Evaluation
from routectl.store.opening import open_store

if TYPE_CHECKING:
    from routectl.evaluation.bootstrap import Comparison, Estimate

FIRST, SECOND = "first", "second"


@dataclass(frozen=True, slots=True)
class StoredEvaluation:
    """An evaluation without its rows."""

    id: int
    created_at: datetime
    actor: str
    note: str | None
    package_version: str
    benchmark: str
    kind: str
    """benchmark or traffic."""
    data_digest: str
    router: str
    fingerprint: str
    strong_model: str
    weak_model: str
    rows: int
    strong_quality: float
    weak_quality: float
    seed: int
    draws: int
    confidence: float
    figures: dict[str, Any]
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Compared:
    """Two evaluations on the same rows."""

    first: StoredEvaluation
    second: StoredEvaluation
    differences: dict[str, Comparison]
    """By metric: the first's less the second's; the verdict is about the first."""
    seed: int
    draws: int
    confidence: float


def list_evaluations(
    location: Location, *, benchmark: str | None, router: str | None, limit: int
) -> list[StoredEvaluation]:
    """The newest evaluations, newest first."""
    with open_store(location) as store, store.read() as connection:
        rows = stored.evaluations(connection, benchmark=benchmark, router=router, limit=limit)
    return [StoredEvaluation(**_without_router_id(dict(row))) for row in rows]


def show_evaluation(location: Location, evaluation_id: int) -> StoredEvaluation:
    """One evaluation.

    Raises:
        StoreError: there is none with this id.
    """
    with open_store(location) as store, store.read() as connection:
        return _plain(stored.evaluation(connection, evaluation_id))


def compare_evaluations(
    location: Location, first_id: int, second_id: int, *, draws: int, seed: int, confidence: float
) -> Compared:
    """Is the first router better than the second: on the same draws of the same rows.

    Raises:
        StoreError: there is none with such an id.
        UsageError: they were not judged on the same rows, or are one and the same.
        InputError: the strong model is no better on these rows.
    """
    from routectl.evaluation.bootstrap import METRICS, bootstrap
    from routectl.evaluation.metrics import AUC

    if first_id == second_id:
        raise UsageError(
            f"evaluation {IdKind.EVALUATION.ref(first_id)} cannot be compared with itself: name two"
        )
    with open_store(location) as store, store.read() as connection:
        first = stored.evaluation(connection, first_id)
        second = stored.evaluation(connection, second_id)
    if first.data_digest != second.data_digest:
        first_ref, second_ref = map(IdKind.EVALUATION.ref, (first_id, second_id))
        raise UsageError(
            f"evaluations {first_ref} ({first.benchmark}, {first.rows:,} rows) and {second_ref} "
            f"({second.benchmark}, {second.rows:,} rows) were not judged on the same rows and "
            "models, so their routers cannot be compared: evaluate both on one benchmark"
        )
    rows, others = stored.rows_of(first), stored.rows_of(second)
    sampled = bootstrap(
        {FIRST: rows.win_rates, SECOND: others.win_rates},
        rows.strong_quality,
        rows.weak_quality,
        weights=rows.weights,
        strata=rows.strata,
        draws=draws,
        seed=seed,
    )
    metrics = METRICS if first.strong_quality > first.weak_quality else (AUC,)
    return Compared(
        _plain(first),
        _plain(second),
        {str(m): sampled.compare(FIRST, SECOND, m, confidence) for m in metrics},
        seed,
        draws,
        confidence,
    )


def _plain(row: Evaluation) -> StoredEvaluation:
    columns = {column.name: getattr(row, column.name) for column in Evaluation.__table__.columns}
    columns.pop("columns")
    return StoredEvaluation(**_without_router_id(columns))


def _without_router_id(columns: dict[str, Any]) -> dict[str, Any]:
    columns.pop("router_id")
    return columns


def stored_estimate(stored: dict[str, float | None]) -> Estimate:
    """A stored figure. JSON has no infinity: an end that is null is one that is not bounded."""
    from routectl.evaluation.bootstrap import Estimate

    low, high = stored["low"], stored["high"]
    return Estimate(
        stored["value"], -math.inf if low is None else low, math.inf if high is None else high
    )
