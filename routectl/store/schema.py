"""Schema changes, by Alembic. Imported only by what makes or migrates a database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from routectl.errors import StoreError, UsageError, reason_of
from routectl.output import keep_copy, remove_file
from routectl.store.engine import SCHEMA_VERSION, Location, Store, version_in
from routectl.store.failures import errors_as_sentences


def migrations_folder() -> Path:
    """Where the migrations lie: in the wheel inside the package, in a checkout next to it."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_migrations", package.parent / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise StoreError(f"routectl's migrations are missing next to {package}: install it again")


def versions() -> list[tuple[str, str]]:
    """Every schema version with what it brought, oldest first."""
    script = ScriptDirectory.from_config(_config())
    return [(revision.revision, revision.doc) for revision in reversed([*script.walk_revisions()])]


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a change of schema did."""

    before: str | None
    copy: Path | None
    """The database as it was: of SQLite, where there was anything to change."""


def upgrade(store: Store, target: str) -> Migrated:
    """Bring the schema up to `target`, in one transaction."""
    _require_known(target)
    with store.write() as connection:
        before = version_in(connection)
        if before == target:
            return Migrated(before, None)
        with _copied(store.location, before) as copy:
            command.upgrade(_config(connection), target)
        return Migrated(before, copy)


def downgrade(store: Store, target: str) -> Migrated:
    """Bring the schema down to `target` ("base" drops every table), in one transaction."""
    if target != "base":
        _require_known(target)
    with store.write() as connection:
        before = version_in(connection)
        if before is None or (target != "base" and target > before):
            raise UsageError(
                f"{store.location} is at schema {before or 'base'}, not above {target}"
            )
        if before == target:
            return Migrated(before, None)
        with _copied(store.location, before) as copy:
            command.downgrade(_config(connection), target)
        return Migrated(before, copy)


@contextmanager
def _copied(location: Location, version: str | None) -> Iterator[Path | None]:
    """The copy of a SQLite file as it was before a change; of a change that failed, none is left.

    It holds prompts and lies where the file lies.
    """
    copy = None if version is None else copy_of(location, f"schema-{version}")
    try:
        yield copy
    except BaseException:
        if copy is not None:
            remove_file(copy)
        raise


def copy_of(location: Location, reason: str) -> Path | None:
    """Copy a SQLite file next to itself, and never over an older copy: None for a server.

    Called by the one writer, so that nothing is written between the copy and the change.

    Raises:
        StoreError: it cannot be copied.
    """
    path = location.path
    if path is None:
        return None
    names = (
        path.with_name(f"{path.name}.{reason}{'' if number == 1 else f'.{number}'}.bak")
        for number in count(1)
    )

    def fill(copy: Path) -> None:
        with (
            errors_as_sentences(copy),
            closing(sqlite3.connect(path)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)

    try:
        return keep_copy(fill, names)
    except OSError as error:
        raise StoreError(
            f"cannot copy the database to {path}.{reason}.bak: {reason_of(error)}; nothing was "
            "changed"
        ) from None


def _require_known(version: str) -> None:
    if version == SCHEMA_VERSION:
        # Reading all migrations a second time is half of what making a database takes.
        return
    names = [name for name, _ in versions()]
    if version not in names:
        raise UsageError(f"no schema version {version!r}: this routectl knows {', '.join(names)}")


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.attributes["connection"] = connection
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    return config
