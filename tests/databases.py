"""Looking into a database past routectl's own queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import inspect, text

from routectl.store.engine import Location, connect


def rows_by_table(url: str, *, without: Sequence[str] = ()) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in an order of their own.

    Args:
        without: columns that are left out.
    """
    with connect(Location.parse(url)) as store, store.read() as connection:
        looked = inspect(connection)
        tables = {}
        for name in looked.get_table_names():
            columns = [c["name"] for c in looked.get_columns(name) if c["name"] not in without]
            rows = connection.execute(text(f"SELECT {', '.join(columns)} FROM {name}"))
            tables[name] = sorted(map(tuple, rows), key=repr)
        return tables


def damage(url: str) -> list[object]:
    """What SQLite finds wrong with a file, and with the rows that refer to each other."""
    location = Location.parse(url)
    if location.path is None or not location.path.exists():
        return []  # PostgreSQL checks each reference when it commits
    with connect(location) as store, store.read() as connection:
        found = connection.execute(text("PRAGMA integrity_check")).scalars().all()
        lost = connection.execute(text("PRAGMA foreign_key_check")).all()
    return [sentence for sentence in found if sentence != "ok"] + list(lost)
