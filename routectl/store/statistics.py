"""How much a database holds."""

from __future__ import annotations

from sqlalchemy import func, inspect, select

from routectl.store.engine import Store
from routectl.store.models import Base


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
