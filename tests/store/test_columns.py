"""Columns of numbers are read to the last bit, as codes or by the cursor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sqlalchemy import BigInteger, Double, Integer, MetaData, Table, insert
from sqlalchemy import Column as TableColumn

from routectl.store import columns
from routectl.store.columns import FloatColumn, IntColumn, Rows, read_columns
from routectl.store.engine import Store

Values = list[float | int | None]

# Powers of two and their neighbours, where one range ends and the next begins.
EDGES = [
    float(np.nextafter(2.0**exponent, toward))
    for exponent in range(-30, 1)
    for toward in (0.0, 2.0**exponent, 2.0)
]


def read_back(
    store: Store, values: Values, kind: type[Any], exponent: int = 1, keys: list[int] | None = None
) -> np.ndarray:
    """What `read_columns` makes of a column that holds the values."""
    number = TableColumn("number", BigInteger if kind is IntColumn else Double)
    table = Table("numbers", MetaData(), TableColumn("id", Integer, primary_key=True), number)
    keys = list(range(len(values))) if keys is None else keys
    with store.write() as connection:
        table.create(connection)
        rows = [{"id": k, "number": v} for k, v in zip(keys, values, strict=True)]
        if rows:
            connection.execute(insert(table), rows)
    column = IntColumn(number) if kind is IntColumn else FloatColumn(number, exponent)
    return read_columns(store, Rows(table.c.id, {"number": column}))[0]["number"]


@pytest.mark.parametrize(
    ("values", "exponent"),
    [
        (np.random.default_rng(1).random(3_000).tolist(), 1),
        ((np.random.default_rng(2).random(3_000) ** 20).tolist(), 1),
        (EDGES, 1),
        ([1.79e9 + n / 7 for n in range(1_000)], 33),
        ([1.0, 0.1, 512.0, 1e6 / 7], 7),  # above the range of weights
        ([5e-324, 1e-300, 0.0, 0.5], 1),  # below the range of scores
        ([-0.25, 3.0], 5),
    ],
)
def test_floats_keep_every_bit(store: Store, values: Values, exponent: int) -> None:
    numbers = read_back(store, [None, *values, None], FloatColumn, exponent)
    assert numbers.dtype == np.float64
    assert numbers.tobytes() == np.array([np.nan, *values, np.nan]).tobytes()


def test_integers_of_63_bits_keep_every_bit(store: Store) -> None:
    values = [0, 1, 2**53 + 1, 2**63 - 1, None, 7]
    numbers = read_back(store, values, IntColumn)
    assert numbers.dtype == np.int64
    assert numbers.tolist() == [-1 if value is None else value for value in values]


@pytest.mark.parametrize("kind", [IntColumn, FloatColumn])
def test_a_column_of_nothing_is_empty(store: Store, kind: type[Any]) -> None:
    assert len(read_back(store, [], kind)) == 0


@pytest.mark.parametrize("kind", [IntColumn, FloatColumn])
def test_a_column_without_a_value_is_unknown_throughout(store: Store, kind: type[Any]) -> None:
    numbers = read_back(store, [None] * 5, kind)
    assert (np.isnan(numbers) if kind is FloatColumn else numbers == -1).all()


def test_rows_come_in_the_order_of_keys_that_lie_far_apart(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "KEYS_AT_ONCE", 10)
    keys = [5_000, 3, 2_000_000_000, 12, 13, 4, 22, 23]
    numbers = read_back(store, [key / 2**31 for key in keys], FloatColumn, keys=keys)
    assert (numbers * 2**31).tolist() == sorted(keys)


def test_tables_read_together_come_back_apart_and_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads take parts of both in turn; one of the tables has a number out of range."""
    monkeypatch.setattr(columns, "KEYS_AT_ONCE", 100)
    number = TableColumn("number", Double)
    other = TableColumn("number", Double)
    first = Table("first", MetaData(), TableColumn("id", Integer, primary_key=True), number)
    second = Table("second", MetaData(), TableColumn("id", Integer, primary_key=True), other)
    values = np.random.default_rng(3).random(5_000)
    odd = values.copy()
    odd[2_500] = 7.0
    with store.write() as connection:
        for table, numbers in ((first, values), (second, odd)):
            table.create(connection)
            rows = [{"id": id, "number": n} for id, n in enumerate(numbers.tolist())]
            connection.execute(insert(table), rows)
    arrays = read_columns(
        store,
        Rows(first.c.id, {"number": FloatColumn(number, 0)}),
        Rows(second.c.id, {"number": FloatColumn(other, 0)}, [second.c.id != 9]),
    )
    assert arrays[0]["number"].tobytes() == values.tobytes()
    assert arrays[1]["number"].tobytes() == np.delete(odd, 9).tobytes()
