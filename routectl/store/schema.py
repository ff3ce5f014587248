"""Schema changes, by Alembic. Imported only by what makes or migrates a database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from routectl.errors import StoreError, UsageError
from routectl.store.engine import Location, Store, version_in
from routectl.store.failures import errors_as_sentences, reason_of


def migrations_folder() -> Path:
    """Where the migrations lie: in the wheel inside the package, in a checkout beside it."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_migrations", package.parent / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise StoreError(f"routectl's migrations are missing beside {package}: install it again")


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
        copy = None
        if before != target:
            copy = _copy(store.location, before)
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
        copy = _copy(store.location, before)
        command.downgrade(_config(connection), target)
        return Migrated(before, copy)


def _copy(location: Location, version: str | None) -> Path | None:
    """Copy a SQLite file beside itself. Called by the one writer, so that nothing is written
    between the copy and the change, and no other copy is made meanwhile."""
    path = location.path
    if path is None or version is None:
        return None
    copy = path.with_name(f"{path.name}.schema-{version}.bak")
    partial = copy.with_name(f"{copy.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)
        with (
            errors_as_sentences(partial),
            closing(sqlite3.connect(path)) as source,
            closing(sqlite3.connect(partial)) as target,
        ):
            source.backup(target)
        partial.replace(copy)
    except OSError as error:
        raise StoreError(
            f"cannot copy the database to {copy}: {reason_of(error)}; its schema was not changed"
        ) from None
    finally:
        partial.unlink(missing_ok=True)
    return copy


def _require_known(version: str) -> None:
    names = [name for name, _ in versions()]
    if version not in names:
        raise UsageError(f"no schema version {version!r}: this routectl knows {', '.join(names)}")


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.attributes["connection"] = connection
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    return config
