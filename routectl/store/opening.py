"""Opening a database at the schema that this version was written for, or making one."""

from __future__ import annotations

from pathlib import Path

from routectl.errors import StoreError, reason_of
from routectl.output import make_private
from routectl.store.engine import SCHEMA_VERSION, Location, Store, connect, schema_version


def open_store(location: Location) -> Store:
    """A store at the newest schema; raises StoreError."""
    store = connect(location)
    try:
        check_schema(store)
        store.write_ahead()
    except BaseException:
        store.close()
        raise
    return store


def create_or_open(location: Location) -> tuple[Store, bool]:
    """A store at the newest schema, made if there is none; True when it was made.

    An older schema is not upgraded: that is done only when told to. A creation that was
    stopped half way left no tables, and is taken up again.
    """
    path = location.path
    if path is not None and not path.exists():
        _create_private_file(path)
    store = connect(location)
    try:
        created = schema_version(store) is None and not _has_tables(store)
        if created:
            # Alembic, which making a database takes and opening one does not.
            from routectl.store.schema import upgrade

            upgrade(store, SCHEMA_VERSION)
        check_schema(store)
        store.write_ahead()
    except BaseException:
        store.close()
        raise
    return store, created


def check_schema(store: Store) -> None:
    """Raise StoreError unless the database is at the schema that this version was written for."""
    version = schema_version(store)
    if version == SCHEMA_VERSION:
        return
    where = store.location
    if version is None:
        raise StoreError(
            f"{where} holds no routectl tables: run `routectl init` to make a database, "
            "or name the right one with --db"
        )
    if version < SCHEMA_VERSION:
        raise StoreError(
            f"{where} is at schema {version}, this routectl needs {SCHEMA_VERSION}: "
            "run `routectl db upgrade`"
        )
    raise StoreError(
        f"{where} is at schema {version}, newer than the {SCHEMA_VERSION} of this routectl: "
        "install a newer routectl"
    )


def _has_tables(store: Store) -> bool:
    from sqlalchemy import inspect

    with store.read() as connection:
        return bool(inspect(connection).get_table_names())


def _create_private_file(path: Path) -> None:
    """Make an empty file that only its owner can read: it will hold prompts."""
    try:
        make_private(path)
    except OSError as error:
        raise StoreError(
            f"cannot make a database at {path.absolute()}: {reason_of(error)}; "
            "name another place with --db"
        ) from None
