"""Statements that SQLite and PostgreSQL both have, and SQLAlchemy spells per dialect or runs
slowly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Text, bindparam, func, select


def insert_ignoring_conflicts(connection: Connection, model: type[Any]) -> Any:
    """INSERT ... ON CONFLICT DO NOTHING into a model's table."""
    # Each dialect is imported only where it is used: that is a tenth of the start of `export`.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(model).on_conflict_do_nothing()
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(model).on_conflict_do_nothing()


def insert_rows(
    connection: Connection,
    model: type[Any],
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
) -> int:
    """INSERT ... ON CONFLICT DO NOTHING of many rows, handed to the driver as they are.

    Past SQLAlchemy's handling of each row, which takes several times as long as SQLite does.

    Args:
        columns: those that the rows have values for; all others get their default.
        rows: values as the driver takes them: no time, and no JSON that is not text yet.

    Returns:
        How many rows were new.
    """
    if connection.dialect.name == "postgresql":
        return _insert_by_row(connection, model, columns, rows)
    return _insert_flat(connection, model, columns, tuple(chain.from_iterable(rows)))


def insert_columns(
    connection: Connection, model: type[Any], columns: Mapping[str, list[Any]]
) -> int:
    """The same for rows that lie column by column.

    A column without any value is left out: SQLite's driver takes longer for a null than for a text.
    """
    size = len(next(iter(columns.values())))
    held = {
        name: values
        for name, values in columns.items()
        if size and (values[0] is not None or values.count(None) < size)
    }
    if connection.dialect.name == "postgresql":
        rows = list(zip(*held.values(), strict=True))
        return _insert_by_row(connection, model, tuple(held), rows)
    flat: list[Any] = [None] * (size * len(held))
    for place, values in enumerate(held.values()):
        flat[place :: len(held)] = values
    return _insert_flat(connection, model, tuple(held), tuple(flat))


def _insert_by_row(
    connection: Connection,
    model: type[Any],
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
) -> int:
    if not rows:
        return 0
    placeholders = f"({', '.join(['%s'] * len(columns))})"
    statement = f"{_into(model, columns)}{placeholders}{_IGNORING}"
    return connection.exec_driver_sql(statement, list(rows)).rowcount


def _insert_flat(
    connection: Connection, model: type[Any], columns: Sequence[str], values: tuple[Any, ...]
) -> int:
    """Insert rows whose values follow each other, many of them with each statement.

    SQLite's driver gives up the interpreter at each step of one and would wait for it, row by row,
    as long as another thread reads a log.
    """
    into = _into(model, columns)
    placeholders = f"({', '.join('?' * len(columns))})"
    added = 0
    chunk_size = _STATEMENT_VALUES // max(len(columns), 1) * len(columns)
    for start in range(0, len(values), chunk_size or 1):
        chunk = values[start : start + chunk_size]
        rows = ", ".join([placeholders] * (len(chunk) // len(columns)))
        added += connection.exec_driver_sql(f"{into}{rows}{_IGNORING}", chunk).rowcount
    return added


def _into(model: type[Any], columns: Sequence[str]) -> str:
    return f"INSERT INTO {model.__tablename__} ({', '.join(columns)}) VALUES "


_IGNORING = " ON CONFLICT DO NOTHING"
_STATEMENT_VALUES = 13_000
"""Values of a statement for SQLite, which takes up to 32,766. Reading a new statement takes
nearly as long as carrying it out, and each number of rows, each set of columns is a new one."""


def among(connection: Connection, column: Any, values: Sequence[str]) -> ColumnElement[bool]:
    """The column's text is one of these, however many: they travel as one value."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        array = bindparam(None, list(values), type_=postgresql.ARRAY(Text))
        return cast("ColumnElement[bool]", column == func.any(array))
    listed = func.json_each(json.dumps(values)).table_valued("value")
    return cast("ColumnElement[bool]", column.in_(select(listed.c.value)))


def clock(connection: Connection) -> datetime:
    """The time, in UTC, on which all who use this database agree: a server's own."""
    if connection.dialect.name == "postgresql":
        now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return now.astimezone(UTC)
    return datetime.now(UTC)
