"""How much a database holds."""

from __future__ import annotations

from sqlalchemy import func, inspect, select, text

from routectl.errors import StoreError
from routectl.store.engine import Store
from routectl.store.failures import damaged
from routectl.store.models import Base


def require_undamaged(store: Store) -> None:
    """Look at every page of a SQLite file, which takes about a second per gigabyte.

    Raises:
        StoreError: a page, an index or a reference between two tables is damaged.
    """
    if store.location.path is None:
        return  # the server checks what it reads
    with store.read() as connection:
        # What it finds is not repeated: it is for whoever knows the file format.
        sound = connection.execute(text("PRAGMA quick_check(1)")).scalar_one() == "ok"
        if not sound or connection.execute(text("PRAGMA foreign_key_check")).first():
            raise StoreError(damaged(store.location))


def row_counts(store: Store) -> dict[str, int]:
    """Rows of each of our tables that exists, in the order in which data flows through them."""
    with store.read() as connection:
        present = set(inspect(connection).get_table_names())
        return {
            table.name: int(
                connection.execute(select(func.count()).select_from(table)).scalar_one()
            )
            for table in Base.metadata.sorted_tables
            if table.name in present
        }
