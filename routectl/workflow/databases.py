"""`routectl init` and `routectl db`: making, looking at and migrating a database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from routectl.errors import StoreError, UsageError
from routectl.store.engine import SCHEMA_VERSION, Location, connect, schema_version
from routectl.store.opening import create_or_open
from routectl.store.statistics import require_undamaged, row_counts


def locate(text: str) -> Location:
    """The database that `--db` names: a path, or a SQLAlchemy URL; raises UsageError."""
    return Location.parse(text)


def init(location: Location) -> bool:
    """Make the database; False when there was one at the newest schema already."""
    store, created = create_or_open(location)
    store.close()
    return created


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """A database's place, schema and row counts."""

    location: str
    schema: str | None
    newest_schema: str
    rows: dict[str, int]


def status(location: Location) -> DatabaseStatus:
    """The status of a database of any schema; changes nothing.

    Raises:
        StoreError: it is damaged.
    """
    with connect(location) as store:
        require_undamaged(store)
        return DatabaseStatus(
            location=str(location),
            schema=schema_version(store),
            newest_schema=SCHEMA_VERSION,
            rows=row_counts(store),
        )


@dataclass(frozen=True, slots=True)
class Migration:
    """A change of schema that was carried out."""

    before: str
    after: str
    backup: Path | None


def upgrade(location: Location) -> Migration:
    """Bring a database to the newest schema, after copying it."""
    from routectl.store import schema

    with connect(location) as store:
        before = schema_version(store)
        if before is None:
            raise StoreError(f"{location} holds no routectl tables to upgrade: run `routectl init`")
        if before > SCHEMA_VERSION:
            raise StoreError(
                f"{location} is at schema {before}, newer than the {SCHEMA_VERSION} of this "
                "routectl: install a newer routectl"
            )
        store.write_ahead()
        done = schema.upgrade(store, SCHEMA_VERSION)
        return Migration(done.before or before, SCHEMA_VERSION, done.copy)


def downgrade(location: Location, target: str, *, drop_everything: bool) -> Migration:
    """Bring a database down to an older schema, after copying it.

    Args:
        target: a schema version, or "base" for no tables at all.
        drop_everything: "base" is refused without it.
    """
    from routectl.store import schema

    if target == "base" and not drop_everything:
        raise UsageError(
            "downgrading to base drops every table with its rows: add --yes if that is wanted"
        )
    with connect(location) as store:
        before = schema_version(store)
        if before is None:
            raise StoreError(f"{location} holds no routectl tables to downgrade")
        if before > SCHEMA_VERSION:
            raise StoreError(
                f"{location} is at schema {before}, newer than the {SCHEMA_VERSION} of this "
                "routectl: downgrade it with the routectl that wrote it"
            )
        done = schema.downgrade(store, target)
        return Migration(done.before or before, target, done.copy)
