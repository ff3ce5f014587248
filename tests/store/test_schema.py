"""The schema, its migrations, and what is said of a database that is not at the newest."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest
from sqlalchemy import text

from routectl.errors import StoreError, UsageError
from routectl.store import schema
from routectl.store.engine import (
    SCHEMA_VERSION,
    Location,
    Store,
    connect,
    create_or_open,
    open_store,
    schema_version,
)
from routectl.store.models import Base
from tests.conftest import Routectl


def test_the_schema_constant_is_the_newest_migration() -> None:
    assert schema.versions()[-1][0] == SCHEMA_VERSION


def test_the_migrations_make_exactly_the_tables_of_the_models(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_upgrade_downgrade_and_upgrade_again_keep_every_row(
    routectl: Routectl, log: Path, database: Path
) -> None:
    routectl("import", log)
    routectl("calibrate", "--strong-fraction", "0.3", "-r", "random")
    routectl("activate", "--note", "first")
    before = _dump(database)

    for _ in range(2):
        assert routectl("db", "downgrade", "0001").code == 0
        assert schema_version(connect(Location.parse(str(database)))) == "0001"
        assert routectl("db", "upgrade").code == 0

    assert before["requests"] == _dump(database)["requests"] != []
    assert _dump(database) == before


def test_a_database_is_readable_by_its_owner_alone(store: Store, database: Path) -> None:
    with store.write() as connection:
        connection.execute(text("CREATE TABLE scratch (x)"))
        files = [database, *database.parent.glob("routectl.db-*")]
        assert len(files) > 1
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_sqlite_runs_with_write_ahead_log_and_foreign_keys(store: Store) -> None:
    with store.read() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 30_000


def test_a_creation_that_was_stopped_is_taken_up_again(database: Path) -> None:
    database.touch(mode=0o600)
    store, created = create_or_open(Location.parse(str(database)))
    with store:
        assert created
        assert schema_version(store) == SCHEMA_VERSION


def test_a_migration_copies_the_database_first(
    routectl: Routectl, log: Path, database: Path
) -> None:
    routectl("import", log)
    result = routectl("db", "downgrade", "0001")
    copy = database.with_name("routectl.db.schema-0002.bak")
    assert str(copy) in result.err
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert _dump(copy)["requests"] == _dump(database)["requests"]


def test_an_old_database_is_upgraded_only_when_told_to(
    routectl: Routectl, log: Path, database: Path
) -> None:
    routectl("import", log)
    routectl("db", "downgrade", "0001")
    for command in (
        ["history"],
        ["init"],
        ["import", log],
        ["calibrate", "--strong-fraction", 0.3],
    ):
        result = routectl(*command)
        assert result.code == 1
        assert "run `routectl db upgrade`" in result.err
    assert schema_version(connect(Location.parse(str(database)))) == "0001"
    assert routectl("db", "upgrade").code == 0
    assert routectl("history").code == 0


def test_a_newer_database_is_refused_and_left_alone(
    routectl: Routectl, store: Store, database: Path
) -> None:
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for command in (["history"], ["db", "upgrade"], ["db", "downgrade", "0001"]):
        result = routectl(*command)
        assert result.code == 1
        assert "newer" in result.err
    assert schema_version(store) == "9999"


def test_dropping_every_table_takes_a_yes(routectl: Routectl, log: Path, database: Path) -> None:
    routectl("import", log)
    refused = routectl("db", "downgrade", "base")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert _dump(database)["requests"]
    assert routectl("db", "downgrade", "base", "--yes").code == 0
    assert _dump(database) == {"alembic_version": []}


def test_an_unknown_schema_version_names_the_known_ones(store: Store) -> None:
    with pytest.raises(UsageError, match="knows 0001, 0002"):
        schema.downgrade(store, "0007")


@pytest.mark.parametrize("table", ["calibrations", "activations"])
@pytest.mark.parametrize("change", ["UPDATE {} SET actor = 'somebody'", "DELETE FROM {}"])
def test_what_was_decided_cannot_be_changed_even_by_hand(
    routectl: Routectl, log: Path, database: Path, table: str, change: str
) -> None:
    routectl("import", log)
    routectl("calibrate", "--strong-fraction", "0.3", "-r", "random")
    routectl("activate")
    with (
        sqlite3.connect(database) as connection,
        pytest.raises(sqlite3.IntegrityError, match="are immutable"),
    ):
        connection.execute(change.format(table))
    connection.close()


def test_a_missing_database_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"no database at {tmp_path}/absent.db"):
        open_store(Location.parse(str(tmp_path / "absent.db")))
    assert not (tmp_path / "absent.db").exists()


@pytest.mark.parametrize("content", [b"not a database, but some text", os.urandom(4096)])
def test_a_file_that_is_no_database_is_refused_and_left_alone(
    database: Path, content: bytes
) -> None:
    database.write_bytes(content)
    with pytest.raises(StoreError, match="is not a SQLite database"):
        create_or_open(Location.parse(str(database)))
    assert database.read_bytes() == content


def test_a_database_of_another_program_is_not_written_to(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE notes (x)")
    connection.close()
    with pytest.raises(StoreError, match="holds no routectl tables"):
        create_or_open(Location.parse(str(database)))
    assert set(_dump(database)) == {"notes"}


def test_a_password_in_a_database_url_is_never_shown() -> None:
    location = Location.parse("postgresql+psycopg://routectl:hunter2@db.example/routectl")
    assert "hunter2" not in str(location)


def test_a_url_that_cannot_be_read_is_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        Location.parse("postgres+nonsense://routectl:hunter2@db.example/routectl")
    assert "hunter2" not in str(caught.value)


def _dump(database: Path) -> dict[str, list[tuple[object, ...]]]:
    connection = sqlite3.connect(database)
    tables = [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    ]
    rows = {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in tables}
    connection.close()
    return rows
