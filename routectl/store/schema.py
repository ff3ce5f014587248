"""Schema changes, by Alembic. Imported only by what makes or migrates a database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from routectl.errors import StoreError, UsageError
from routectl.store.engine import Store, schema_version


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


def upgrade(store: Store, target: str) -> None:
    """Bring the schema up to `target`, in one transaction."""
    _require_known(target)
    with store.write() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, target)


def downgrade(store: Store, target: str) -> None:
    """Bring the schema down to `target` ("base" drops every table), in one transaction."""
    if target != "base":
        _require_known(target)
    current = schema_version(store)
    if current is None or (target != "base" and target > current):
        raise UsageError(f"{store.location} is at schema {current or 'base'}, not above {target}")
    with store.write() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, target)


def back_up(store: Store) -> Path | None:
    """Copy a SQLite database beside itself before its schema changes; None elsewhere."""
    path = store.location.path
    version = schema_version(store)
    if path is None or version is None:
        return None
    copy = path.with_name(f"{path.name}.schema-{version}.bak")
    partial = copy.with_name(f"{copy.name}.partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(partial)) as target:
        source.backup(target)
    partial.replace(copy)
    return copy


def _require_known(version: str) -> None:
    known = [name for name, _ in versions()]
    if version not in known:
        raise UsageError(f"no schema version {version!r}: this routectl knows {', '.join(known)}")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    return config
