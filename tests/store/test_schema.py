"""The schema, its migrations, and what is said of a database that is not at the newest."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from routectl.errors import StoreError, UsageError
from routectl.store import schema
from routectl.store.engine import SCHEMA_VERSION, Location, Store, connect, schema_version
from routectl.store.models import Base
from routectl.store.opening import create_or_open, open_store
from tests.cli.test_bad_input import one_sentence
from tests.conftest import MODELS, Routectl
from tests.databases import rows_by_table
from tests.store.test_evaluations import add as add_evaluation_row

LOST = ("policy", "checkpoint", "run")
"""Columns that a downgrade to the first schema empties."""


def test_the_schema_constant_is_the_newest_migration() -> None:
    assert schema.versions()[-1][0] == SCHEMA_VERSION


def test_the_migrations_make_exactly_the_tables_of_the_models(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_upgrade_downgrade_and_upgrade_again_keep_every_row(
    routectl: Routectl, log: Path, database_url: str
) -> None:
    routectl("import", log)
    routectl("calibrate", "--strong-fraction", "0.3", "-r", "random")
    routectl("activate", "--force", "--note", "first")
    # What an older schema has no column for, a downgrade cannot keep.
    before = rows_by_table(database_url, without=LOST)

    for _ in range(2):
        assert routectl("db", "downgrade", "0001").code == 0
        with connect(Location.parse(database_url)) as store:
            assert schema_version(store) == "0001"
        oldest = rows_by_table(database_url)["requests"]
        assert routectl("db", "upgrade").code == 0

    # Columns that the oldest schema did not have are empty afterwards.
    kept = len(oldest[0])
    assert [row[:kept] for row in before.pop("requests")] == oldest
    after = rows_by_table(database_url, without=LOST)
    assert [row[:kept] for row in after.pop("requests")] == oldest
    assert after == before


def test_an_old_database_is_upgraded_only_when_told_to(
    routectl: Routectl, log: Path, database_url: str
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
    with connect(Location.parse(database_url)) as store:
        assert schema_version(store) == "0001"
    assert routectl("db", "upgrade").code == 0
    assert routectl("history").code == 0


def test_a_newer_database_is_refused_and_left_alone(routectl: Routectl, store: Store) -> None:
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for command in (["history"], ["db", "upgrade"], ["db", "downgrade", "0001"]):
        result = routectl(*command)
        assert result.code == 1
        assert "newer" in result.err
    assert schema_version(store) == "9999"


def test_dropping_every_table_takes_a_yes(routectl: Routectl, log: Path, database_url: str) -> None:
    routectl("import", log)
    refused = routectl("db", "downgrade", "base")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert rows_by_table(database_url)["requests"]
    assert routectl("db", "downgrade", "base", "--yes").code == 0
    assert rows_by_table(database_url) == {"alembic_version": []}


def test_an_unknown_schema_version_names_the_known_ones(store: Store) -> None:
    with pytest.raises(UsageError, match="knows 0001, 0002, 0003"):
        schema.downgrade(store, "9999")


IMMUTABLE = ("calibrations", "activations", "evaluations", "route_changes")


@pytest.fixture
def decided(routectl: Routectl, log: Path, database_url: str) -> None:
    """A database with a row in each table of what was decided."""
    routectl("route", "set", "smart", *MODELS)
    routectl("import", log)
    routectl("calibrate", "--strong-fraction", "0.3", "-r", "random")
    routectl("activate", "--force")
    with open_store(Location.parse(database_url)) as store, store.write() as connection:
        add_evaluation_row(connection)


@pytest.mark.usefixtures("decided")
def test_what_was_decided_cannot_be_changed_even_by_hand(
    routectl: Routectl, database_url: str
) -> None:
    refuses_every_change(database_url, IMMUTABLE)
    assert routectl("db", "downgrade", "0005").code == 0
    assert routectl("db", "upgrade").code == 0
    # An older schema has no changes of routes to keep.
    refuses_every_change(database_url, IMMUTABLE[:-1])


def refuses_every_change(url: str, tables: Sequence[str]) -> None:
    """The database refuses each way to change what it holds, and every row stays as it was."""
    before = rows_by_table(url)
    assert all(before[table] for table in tables)
    postgresql = url.startswith("postgresql")
    for table in tables:
        for change in (*CHANGES, *(ON_POSTGRESQL if postgresql else ON_SQLITE)):
            refuses(url, table, change.format(table))
    if postgresql:
        # Whatever a table refers to takes it along.
        refuses(url, "[a-z_]+", "TRUNCATE routes CASCADE")
        refuses(url, "[a-z_]+", "TRUNCATE routers CASCADE")
    assert rows_by_table(url) == before


CHANGES = ("UPDATE {} SET actor = 'somebody'", "DELETE FROM {}", "DELETE FROM {} WHERE id = 1")
ON_SQLITE = (
    "REPLACE INTO {0} SELECT * FROM {0}",
    "INSERT OR REPLACE INTO {0} SELECT * FROM {0}",
    "UPDATE OR REPLACE {} SET id = 1",
    "INSERT INTO {0} SELECT * FROM {0} WHERE true ON CONFLICT DO UPDATE SET actor = 'somebody'",
)
ON_POSTGRESQL = ("TRUNCATE {} CASCADE",)


def refuses(url: str, table: str, statement: str) -> None:
    with (
        open_store(Location.parse(url)) as store,
        pytest.raises(StoreError, match=f"{table} are immutable"),
        store.write() as connection,
    ):
        connection.execute(text(statement))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://routectl:hunter2@db.example/routectl",
        "postgresql://db.example/routectl?user=routectl&password=hunter2",
    ],
)
def test_a_password_in_a_database_url_is_never_shown(url: str) -> None:
    location = Location.parse(url)
    assert "db.example" in str(location)
    assert "hunter2" not in str(location)


@pytest.mark.parametrize(
    "url",
    [
        "postgres+nonsense://routectl:hunter2@db.example/routectl",
        "mysql://routectl:hunter2@db.example/routectl",
        "postgresql+asyncpg://routectl:hunter2@db.example/routectl",
        "postgresql://routectl:hunter2@db.example:port/routectl",
        "postgresql://routectl:hunter2@h/x?host=a&host=b&port=1&port=x",
        "host=127.0.0.1 password=hunter2 dbname=x",
        "postgresql:routectl:hunter2@h/db",
        "routectl:hunter2@h/db",
        "//routectl:hunter2@h/db",
    ],
)
def test_a_url_that_cannot_be_used_is_not_repeated(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Location.parse(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("number", [0, 1])
def test_the_questions_of_the_schema_page_have_answers(
    routectl: Routectl, log: Path, database_url: str, number: int
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "schema.md").read_text()
    question = page.split("```sql")[1].split("```")[0].split(";")[number]
    routectl("import", log)
    routectl("calibrate", "--strong-fraction", "0.3", "-r", "random")
    routectl("activate", "--force", "--note", "first")
    routectl("activate", "--always-weak", "--note", "second")
    with open_store(Location.parse(database_url)) as store, store.read() as connection:
        (row,) = connection.execute(text(question)).mappings()
    if number == 0:
        assert (row["name"], row["mode"], row["note"]) == ("default", "always_weak", "second")
    else:
        assert row["requests"] == 200
        assert 0 < row["strong"] < 1


def test_copies_of_a_sqlite_file_are_never_replaced(
    routectl: Routectl, log: Path, database: Path
) -> None:
    routectl("import", log)
    routectl("calibrate", "--strong-fraction", "0.3", "-r", "random")
    url = str(database)
    policies = "SELECT count(*) FROM calibrations WHERE policy IS NOT NULL"
    if not database.exists():
        pytest.skip("a server is copied by its own tools")

    for command in (["downgrade", "0001"], ["upgrade"], ["downgrade", "0004"], ["upgrade"]):
        assert routectl("db", *command).code == 0
    copies = sorted(database.parent.glob("*.bak"))
    assert [copy.name.removeprefix(database.name) for copy in copies] == [
        ".schema-0001.bak",
        ".schema-0004.bak",
        f".schema-{SCHEMA_VERSION}.2.bak",
        f".schema-{SCHEMA_VERSION}.bak",
    ]
    # What the first downgrade dropped stands in its copy alone.
    counts = {}
    for name in (url, f"{url}.schema-{SCHEMA_VERSION}.bak", f"{url}.schema-{SCHEMA_VERSION}.2.bak"):
        with connect(Location.parse(name)) as store, store.read() as connection:
            counts[name] = connection.execute(text(policies)).scalar_one()
    assert list(counts.values()) == [0, 1, 0]


def test_no_copy_is_made_where_nothing_changes(
    routectl: Routectl, log: Path, database: Path
) -> None:
    routectl("import", log)
    assert routectl("db", "upgrade").code == 0
    assert routectl("db", "downgrade", SCHEMA_VERSION).code == 0
    assert routectl("db", "downgrade", "0004").code == 0
    assert "already" in routectl("db", "downgrade", "0004").out
    assert routectl("db", "downgrade", "9999").code == 2
    expected = [f"routectl.db.schema-{SCHEMA_VERSION}.bak"] if database.exists() else []
    assert [path.name for path in database.parent.glob("*.bak")] == expected


def test_a_migration_that_fails_leaves_no_copy(
    routectl: Routectl, log: Path, database: Path, database_url: str
) -> None:
    routectl("import", log)
    assert routectl("db", "downgrade", "0001").code == 0
    copies = sorted(database.parent.glob("*.bak"))
    with connect(Location.parse(database_url)) as store, store.write() as connection:
        connection.execute(text("CREATE TABLE battles (mine INTEGER)"))
    assert routectl("db", "upgrade").code == 1
    assert sorted(database.parent.glob("*.bak")) == copies


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///file:live.db?uri=true",
        "sqlite:///x.db?timeout=abc",
        "sqlite:///x.db?cached_statements=x",
        "sqlite:///w.db?%1b%5d0;pwn%07=1",
        "sqlite+pysqlcipher:///x.db",
        "sqlite://data/x.db",
        "sqlite:///data?v2.db",
    ],
)
def test_a_sqlite_url_is_a_file_without_options(
    routectl: Routectl, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one_sentence(routectl("init", "--db", url), "sqlite:///FILE", code=2)


@pytest.mark.parametrize("name", [":memory:", "sqlite:///:memory:", "sqlite://"])
def test_a_database_that_would_be_gone_at_once_is_refused(
    routectl: Routectl, log: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one_sentence(routectl("import", log, "--db", name), "gone at once: name a file", code=2)
    assert not (tmp_path / ":memory:").exists()


def test_a_link_that_leads_to_no_database_is_told_as_what_it_is(
    routectl: Routectl, log: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "elsewhere.db")
    for command in (("init",), ("import", log), ("history",)):
        one_sentence(routectl(*command, "--db", link), "is a symbolic link", "remove the link")
    assert not (tmp_path / "elsewhere.db").exists()


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("SELECT gone FROM requests", "another command changed its schema meanwhile"),
        ("SELECT 1 FROM gone", "another command changed its schema meanwhile"),
        ("INSERT INTO samples (gone) VALUES (1)", "another command changed its schema meanwhile"),
        (
            "INSERT INTO scores (router_id, prompt_id, win_rate, longer_than_read)"
            " VALUES (7, 7, 0.5, false)",
            "took it out meanwhile: run the command again",
        ),
    ],
)
def test_what_another_command_changed_meanwhile_is_told(
    database_url: str, statement: str, sentence: str
) -> None:
    def write() -> None:
        with store.write() as connection:
            connection.execute(text(statement))

    store, _ = create_or_open(Location.parse(database_url))
    with store, pytest.raises(StoreError, match=sentence):
        write()


OTHERS = {
    "without a version": ["CREATE TABLE users (x)"],
    "of another Alembic": [
        "CREATE TABLE alembic_version (version_num)",
        "INSERT INTO alembic_version VALUES ('3f2a9c')",
    ],
    "numbered as ours": [
        "CREATE TABLE alembic_version (version_num)",
        "INSERT INTO alembic_version VALUES ('0008')",
    ],
    "with two versions": [
        "CREATE TABLE alembic_version (version_num)",
        "INSERT INTO alembic_version VALUES ('0001'), ('0002')",
    ],
    "with a number for a version": [
        "CREATE VIEW alembic_version AS SELECT 7 AS version_num",
    ],
    "with a blob for a version": [
        "CREATE TABLE alembic_version (version_num)",
        "INSERT INTO alembic_version VALUES (x'00ff')",
    ],
}
COMMANDS = (
    *(("status",), ("db", "status"), ("db", "upgrade"), ("history",), ("doctor",), ("init",)),
    ("db", "downgrade", "0001"),
)


@pytest.mark.parametrize("kind", OTHERS)
def test_the_database_of_another_application_is_refused_and_keeps_each_byte(
    routectl: Routectl, log: Path, tmp_path: Path, kind: str
) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        for statement in OTHERS[kind]:
            connection.execute(statement)
        connection.commit()
    before = other.read_bytes()
    for command in (*COMMANDS, ("import", log)):
        done = routectl(*command, "--db", other)
        assert "other" in done.err + done.out, command
        assert "Traceback" not in done.err, command
        assert other.read_bytes() == before, command
        looked_at = (kind, command) == ("without a version", ("db", "status"))
        assert (done.code == 0) == looked_at, (command, done)


def test_no_row_that_is_kept_can_be_replaced_by_any_key(database: Path) -> None:
    """Of SQLite, whose REPLACE deletes without the triggers of a DELETE."""
    create_or_open(Location.parse(str(database)))[0].close()
    with closing(sqlite3.connect(database)) as connection:
        triggers = connection.execute(
            "SELECT tbl_name, sql FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%INSERT%'"
        ).fetchall()
        tables = {table for table, _ in triggers}
        assert tables >= {*IMMUTABLE, "drift_checks"}
        for table in tables:
            keys = [("id",)]
            for _, index, is_unique, *_ in connection.execute(f"PRAGMA index_list({table})"):
                columns = connection.execute(f"PRAGMA index_info({index})").fetchall()
                keys += [tuple(name for *_, name in columns)] if is_unique else []
            for key in keys:
                guards = [sql for name, sql in triggers if name == table]
                assert any(all(f"{c} = NEW.{c}" in sql for c in key) for sql in guards), (
                    table,
                    key,
                )

        first = (
            "(NULL, 1, 1, 'traffic', '2026-11-20', 10, 0.9, 99999, 1, '{}', '2026-11-30 00:00:00')"
        )
        second = first.replace("0.9, 99999, 1", "0.3, 1, 0")
        connection.execute(f"INSERT INTO drift_checks VALUES {first}")
        connection.execute(f"INSERT OR REPLACE INTO drift_checks VALUES {second}")
        rows = connection.execute("SELECT id, e_value, rang FROM drift_checks").fetchall()
    assert rows == [(1, 99999, 1)]
