"""What is SQLite's alone: a file, its mode, its copies, and what may stand in its place."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from routectl.errors import StoreError
from routectl.store.engine import SCHEMA_VERSION, Location, Store, schema_version
from routectl.store.opening import create_or_open, open_store
from tests.conftest import Routectl
from tests.databases import rows_by_table


@pytest.fixture
def database_url(database: Path) -> str:
    return str(database)


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


def test_a_new_file_has_large_pages_and_the_log_is_bounded_in_bytes(database: Path) -> None:
    small = database.with_name("small.db")
    with sqlite3.connect(small) as connection:
        connection.execute("PRAGMA page_size = 4096")
        connection.execute("CREATE TABLE prompts (id)")
        connection.execute("CREATE TABLE alembic_version (version_num)")
        connection.execute("INSERT INTO alembic_version VALUES (?)", [SCHEMA_VERSION])
    create_or_open(Location.parse(str(database)))[0].close()
    for path, size in ((database, 16_384), (small, 4096)):
        with open_store(Location.parse(str(path))) as store, store.read() as connection:
            assert connection.execute(text("PRAGMA page_size")).scalar() == size
            pages = connection.execute(text("PRAGMA wal_autocheckpoint")).scalar_one()
            assert pages * size == 20 * 2**20


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
    copy = database.with_name(f"routectl.db.schema-{SCHEMA_VERSION}.bak")
    assert str(copy) in result.err
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    downgraded = rows_by_table(str(database))["requests"]
    copied = rows_by_table(str(copy))["requests"]
    assert [row[: len(downgraded[0])] for row in copied] == downgraded


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
    assert set(rows_by_table(str(database))) == {"notes"}


@pytest.mark.parametrize("is_replaced", [False, True])
def test_what_was_written_into_a_file_that_is_gone_is_no_success(
    database: Path, tmp_path: Path, is_replaced: bool
) -> None:
    store, _ = create_or_open(Location.parse(str(database)))

    def write() -> None:
        with store.write() as connection:
            connection.execute(text("DELETE FROM scores"))

    with store:
        write()
        if is_replaced:
            (tmp_path / "backup.db").write_bytes(database.read_bytes())
            (tmp_path / "backup.db").replace(database)
        else:
            database.unlink()
        with pytest.raises(StoreError, match="was replaced or removed while this command ran"):
            write()


def test_a_ctrl_c_while_a_connection_closes_prints_no_traceback(database: Path) -> None:
    """SQLAlchemy logs it with one, which Python prints where no logging is set up."""
    create_or_open(Location.parse(str(database)))[0].close()
    code = (
        "import sys\n"
        "from routectl.store.engine import Location\n"
        "from routectl.store.opening import open_store\n"
        "store = open_store(Location.parse(sys.argv[1]))\n"
        "def interrupted(connection):\n"
        "    raise KeyboardInterrupt\n"
        "store.engine.dialect.do_close = interrupted\n"
        "try:\n"
        "    store.close()\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    command = [sys.executable, "-c", code, str(database)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
