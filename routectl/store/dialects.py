"""The one statement that SQLite and PostgreSQL both have and SQLAlchemy spells per dialect."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from routectl.errors import StoreError


def insert_ignoring_conflicts(connection: Connection, model: type[Any]) -> Any:
    """INSERT ... ON CONFLICT DO NOTHING into a model's table."""
    name = connection.dialect.name
    if name == "sqlite":
        return sqlite.insert(model).on_conflict_do_nothing()
    if name == "postgresql":
        return postgresql.insert(model).on_conflict_do_nothing()
    raise StoreError(f"routectl runs on SQLite and PostgreSQL, not on {name}")
