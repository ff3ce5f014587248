"""What is PostgreSQL's alone: the server, its users and what it refuses, each in one sentence."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from sqlalchemy import text

from routectl.errors import StoreError
from routectl.store.engine import Location
from routectl.store.opening import create_or_open, open_store
from tests.conftest import Routectl
from tests.postgresql import PostgresqlServer


@pytest.fixture
def database_url(postgresql_url: str) -> str:
    return postgresql_url


@pytest.fixture
def reader_url(routectl: Routectl, database_url: str, postgresql_server: PostgresqlServer) -> str:
    """The database as a user sees it who may only read."""
    assert routectl("init").code == 0
    schema = database_url.rpartition("%3D")[2]
    postgresql_server.execute(
        f"CREATE ROLE reader_{schema} LOGIN; GRANT USAGE ON SCHEMA {schema} TO reader_{schema};"
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader_{schema}"
    )
    return database_url.replace("postgres@", f"reader_{schema}@")


@pytest.fixture
def user_with_password(postgresql_server: PostgresqlServer) -> Iterator[str]:
    """A user whom the server asks for the password "right"."""
    rules = postgresql_server.folder / "pg_hba.conf"
    before = rules.read_text()
    postgresql_server.execute("CREATE ROLE careful LOGIN PASSWORD 'right'")
    rules.write_text("local all careful scram-sha-256\n" + before)
    postgresql_server.reload()
    yield "careful"
    rules.write_text(before)
    postgresql_server.execute("DROP ROLE careful")
    postgresql_server.reload()


def test_status_names_the_schema_and_the_rows(
    routectl: Routectl, database_url: str, postgresql_server: PostgresqlServer
) -> None:
    made = routectl("init")
    assert made.code == 0
    assert quote(str(postgresql_server.socket), safe="") in made.out
    status = routectl("db", "status", "--json").json
    assert status["schema"] == status["newest_schema"]
    assert status["rows"]["activations"] == 0
    routectl("activate", "--always-weak")
    assert routectl("db", "status", "--json").json["rows"]["activations"] == 1


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_usual_spelling_of_the_url_is_understood(
    routectl: Routectl, database_url: str, scheme: str
) -> None:
    url = database_url.replace("postgresql+psycopg", scheme)
    assert routectl("init", "--db", url).code == 0
    assert routectl("history", "--db", database_url).code == 0


def test_the_server_listens_on_no_network(postgresql_server: PostgresqlServer) -> None:
    location = Location.parse(postgresql_server.url("postgres"))
    with pytest.raises(StoreError), open_store(location):
        pass
    with psycopg.connect(host=str(postgresql_server.socket), user="postgres") as connection:
        shown = connection.execute("SHOW listen_addresses").fetchone()
    assert shown == ("",)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://u:hunter2@127.0.0.1:1/x", "cannot be reached"),
        ("postgresql://u:hunter2@host.invalid/x", "cannot be reached"),
        ("postgresql:///x?host=/nowhere", "cannot be reached"),
        ("postgresql://u@127.0.0.1:1/x?password=hunter2", "cannot be reached"),
        ("postgresql:///x?nonsense=hunter2", "an option in its URL that PostgreSQL does not know"),
    ],
)
def test_a_server_that_is_not_there_is_told(routectl: Routectl, url: str, sentence: str) -> None:
    result = routectl("history", "--db", url)
    assert result.code == 1
    assert sentence in result.err
    assert "hunter2" not in result.err + result.out
    assert result.err.count("Error:") == 1


@pytest.mark.parametrize(("database", "user"), [("absent", "postgres"), ("postgres", "nobody")])
def test_a_missing_database_or_user_is_told(
    routectl: Routectl, postgresql_server: PostgresqlServer, database: str, user: str
) -> None:
    result = routectl("init", "--db", postgresql_server.url(database, user))
    assert result.code == 1
    assert "is not there: make the database and the user" in result.err


@pytest.mark.parametrize("password", ["hunter2", None])
def test_a_wrong_password_is_told_and_not_repeated(
    routectl: Routectl,
    postgresql_server: PostgresqlServer,
    user_with_password: str,
    password: str | None,
) -> None:
    url = postgresql_server.url("postgres", user_with_password, password)
    result = routectl("history", "--db", url)
    assert result.code == 1
    assert "refuses this user or password" in result.err
    assert "hunter2" not in result.err + result.out
    right = postgresql_server.url("postgres", user_with_password, "right")
    assert "holds no routectl tables" in routectl("history", "--db", right).err


def test_a_user_who_may_only_read_reads_and_is_told_when_it_writes(
    routectl: Routectl, reader_url: str
) -> None:
    routectl("activate", "--always-weak")
    assert routectl("history", "--db", reader_url).code == 0
    assert routectl("export", "--json", "--db", reader_url).json["mode"] == "always_weak"
    result = routectl("activate", "--always-strong", "--db", reader_url)
    assert result.code == 1
    assert "does not let this user do that" in result.err
    assert len(routectl("history", "--json").json["activations"]) == 1


def test_a_user_with_the_documented_rights_does_the_main_job(
    routectl: Routectl, log: Path, reader_url: str, postgresql_server: PostgresqlServer
) -> None:
    schema = reader_url.rpartition("%3D")[2]
    postgresql_server.execute(
        f"GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO reader_{schema};"
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO reader_{schema}"
    )
    for command in (
        ["import", log],
        ["calibrate", "-r", "random", "--strong-fraction", "0.3"],
        ["activate", "--force"],
        ["activate", "--always-weak"],
        ["rollback"],
        ["export"],
    ):
        result = routectl(*command, "--db", reader_url)
        assert result.code == 0, result.err


def test_a_database_that_cannot_be_written_now_is_told(
    routectl: Routectl, database_url: str
) -> None:
    routectl("init")
    read_only = f"{database_url}%20-cdefault_transaction_read_only%3Don"
    result = routectl("activate", "--always-strong", "--db", read_only)
    assert result.code == 1
    assert "is read-only for this user or on this server" in result.err


def test_a_lock_that_does_not_end_is_told_in_the_same_words_as_sqlite_s(
    routectl: Routectl, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    routectl("init")
    monkeypatch.setattr("routectl.store.engine.BUSY_TIMEOUT_SECONDS", 0.2)
    with open_store(Location.parse(database_url)) as store:
        with store.write():
            result = routectl("activate", "--always-weak")
            assert result.code == 1
            assert "is locked by another process: try again" in result.err
        with store.read() as connection:
            connection.execute(text("SELECT 1"))
            assert routectl("activate", "--always-weak").code == 0


def test_a_server_that_goes_away_is_told(
    database_url: str, postgresql_server: PostgresqlServer
) -> None:
    store, _ = create_or_open(Location.parse(database_url))

    def write() -> None:
        with store.write() as connection:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            postgresql_server.execute(f"SELECT pg_terminate_backend({pid}, 60000)")
            connection.execute(text("SELECT 1"))

    with store, pytest.raises(StoreError, match="could not be reached any more"):
        write()


def test_a_time_limit_of_the_server_is_told_with_what_to_raise(database_url: str) -> None:
    store, _ = create_or_open(Location.parse(database_url))

    def wait() -> None:
        with store.read() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 5"))
            connection.execute(text("SELECT pg_sleep(10)"))

    with store, pytest.raises(StoreError, match="by a time limit or an admin"):
        wait()


def test_what_the_driver_logs_reaches_no_terminal() -> None:
    code = "import routectl.store.engine, logging; logging.getLogger('psycopg').warning('user')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert ran.stdout + ran.stderr == b""


def test_a_missing_driver_names_the_extra(
    routectl: Routectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    result = routectl("history", "--db", "postgresql://u:hunter2@127.0.0.1/x")
    assert result.code == 1
    assert "pip install 'routectl[postgres]'" in result.err
    assert "hunter2" not in result.err


def test_a_read_sees_one_state_of_the_database(database_url: str) -> None:
    store, _ = create_or_open(Location.parse(database_url))
    count = text("SELECT count(*) FROM routes")
    with store, store.read() as reading:
        before = reading.execute(count).scalar_one()
        with store.write() as writing:
            writing.execute(text("INSERT INTO routes (name, created_at) VALUES ('smart', now())"))
        assert reading.execute(count).scalar_one() == before == 0
