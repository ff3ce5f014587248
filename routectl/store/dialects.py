"""What SQLite and PostgreSQL both do, and SQLAlchemy spells per dialect or does slowly."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Text, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite


def insert_ignoring_conflicts(connection: Connection, model: type[Any]) -> Any:
    """INSERT ... ON CONFLICT DO NOTHING into a model's table."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(model).on_conflict_do_nothing()
    return sqlite.insert(model).on_conflict_do_nothing()


def insert_rows(
    connection: Connection,
    model: type[Any],
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    """INSERT ... ON CONFLICT DO NOTHING of many rows, handed to the driver as they are.

    Past SQLAlchemy's handling of each row, which takes several times as long as SQLite does.

    Args:
        columns: those that the rows have values for; all others get their default.
        rows: values as the driver takes them: no time, and no JSON that is not text yet.
    """
    if not rows:
        return
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    marks = ", ".join([mark] * len(columns))
    connection.exec_driver_sql(
        f"INSERT INTO {model.__tablename__} ({', '.join(columns)}) VALUES ({marks}) "
        "ON CONFLICT DO NOTHING",
        list(rows),
    )


def among(connection: Connection, column: Any, values: Sequence[str]) -> ColumnElement[bool]:
    """The column's text is one of these, however many: they travel as one value."""
    if connection.dialect.name == "postgresql":
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
