"""Evaluations in the store, on each kind of database."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from routectl.errors import StoreError
from routectl.records import RouterIdentity, RouterSpec
from routectl.store.engine import Store
from routectl.store.evaluations import (
    EvaluatedRows,
    add_evaluation,
    evaluation,
    evaluations,
    rows_of,
)
from routectl.store.prompts import prompt_ids
from routectl.store.scores import add_router, add_scores, unscored_of, win_rates

ROUTER = RouterIdentity("mf", "f" * 64, None, 0.0)


def values(router: int, **changes: object) -> dict[str, object]:
    return {
        "created_at": datetime(2026, 11, 25, tzinfo=UTC),
        "actor": "tester",
        "note": None,
        "package_version": "1",
        "benchmark": "own",
        "kind": "benchmark",
        "data_digest": "d" * 64,
        "router_id": router,
        "router": "mf",
        "fingerprint": ROUTER.fingerprint,
        "strong_model": "big",
        "weak_model": "small",
        "seed": 3,
        "draws": 100,
        "confidence": 0.95,
        "strong_quality": 0.9,
        "weak_quality": 0.4,
        "figures": {"APGR": {"value": 0.7, "low": 0.6, "high": None}},
        "details": {},
    } | changes


def rows() -> EvaluatedRows:
    return EvaluatedRows(
        prompts=np.array([4, 7]),
        win_rates=np.array([0.1, np.nextafter(0.1, 1)]),
        strong_quality=np.array([1.0, 1.0]),
        weak_quality=np.array([0.0, 1.0]),
        weights=np.array([2.0, 3.5]),
    )


def add(connection: Connection, **changes: object) -> int:
    router = add_router(connection, ROUTER, RouterSpec(ROUTER.name), {})
    return add_evaluation(connection, values(router, **changes), rows())


def test_an_evaluations_rows_come_back_to_the_last_bit(store: Store) -> None:
    with store.write() as connection:
        id = add(connection)
    with store.read() as connection:
        found = evaluation(connection, id)
    assert found.rows == 2
    assert found.figures["APGR"]["high"] is None
    back = rows_of(found)
    for name in ("prompts", "win_rates", "strong_quality", "weak_quality", "weights"):
        assert getattr(back, name).tolist() == getattr(rows(), name).tolist()
    assert back.strata is None
    assert back.strong_cost is None


def test_evaluations_are_listed_newest_first_by_benchmark_and_router(store: Store) -> None:
    with store.write() as connection:
        first, second = add(connection), add(connection, benchmark="other")
    with store.read() as connection:

        def ids(**wanted: str | None) -> list[int]:
            asked = {"benchmark": None, "router": None} | wanted
            return [row["id"] for row in evaluations(connection, limit=9, **asked)]

        assert ids() == [second, first]
        assert ids(benchmark="own") == [first]
        assert ids(router="bert") == []
        assert "columns" not in evaluations(connection, benchmark=None, router=None, limit=1)[0]


@pytest.mark.parametrize("change", ["UPDATE evaluations SET note = 'x'", "DELETE FROM evaluations"])
def test_the_database_refuses_to_change_an_evaluation(store: Store, change: str) -> None:
    with store.write() as connection:
        add(connection)
    with pytest.raises((DBAPIError, StoreError)), store.write() as connection:
        connection.execute(text(change))
    with store.read() as connection:
        assert len(evaluations(connection, benchmark=None, router=None, limit=9)) == 1


def test_damaged_rows_are_one_sentence(store: Store) -> None:
    with store.write() as connection:
        found = evaluation(connection, add(connection))
    found.columns = b"damaged"
    with pytest.raises(StoreError, match=r"rows of evaluation e1 are damaged"):
        rows_of(found)


def test_prompts_are_scored_as_far_as_they_are_not(store: Store) -> None:
    with store.write() as connection:
        ids = prompt_ids(connection, ["short", "a longer one", "the longest of all"])
        assert prompt_ids(connection, ["short"]) == {"short": ids["short"]}
        router = add_router(connection, ROUTER, RouterSpec(ROUTER.name), {})
        wanted = list(ids.values())
        longest_first = [ids["the longest of all"], ids["a longer one"], ids["short"]]
        assert list(unscored_of(connection, None, wanted)) == longest_first
        add_scores(connection, router, [ids["a longer one"]], [0.25], [False])
        assert list(unscored_of(connection, router, wanted)) == [
            ids["the longest of all"],
            ids["short"],
        ]
        assert win_rates(connection, router, wanted) == {ids["a longer one"]: 0.25}
