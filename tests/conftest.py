"""What every test may use: a database of its own, a log of its own, and the command line."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from routectl.cli.app import run
from routectl.store import schema
from routectl.store.engine import SCHEMA_VERSION, Location, Store
from routectl.store.opening import create_or_open
from tests.embedding.tiny import make_tiny_model
from tests.postgresql import PostgresqlServer

# Tables are as wide as where nothing says how wide a terminal is: xdist sets it for its workers.
os.environ.pop("COLUMNS", None)

# The same examples each time, however long one takes.
settings.load_profile("ci")


@dataclass(frozen=True)
class Result:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Routectl = Callable[..., Result]

MODELS = (
    *("--strong", "big", "--weak", "small"),
    *("--price", "big=2/8", "--price", "small=0.25/1"),
)
"""Models of a route with prices of their own, which need no list."""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where this test's database is, or will be."""
    return tmp_path / "routectl.db"


@pytest.fixture
def database_url(database: Path) -> str:
    """What `--db` names in this test: SQLite, unless a folder or a module says otherwise."""
    return str(database)


@pytest.fixture(params=["sqlite", "postgresql"])
def any_database_url(request: pytest.FixtureRequest, database: Path) -> str:
    """Each kind of database in turn: let `database_url` be this one to run a test on both."""
    if request.param == "sqlite":
        return str(database)
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """A PostgreSQL server of this session, on a Unix socket."""
    with PostgresqlServer.started() as server:
        yield server


@pytest.fixture
def postgresql_url(postgresql_server: PostgresqlServer) -> Iterator[str]:
    """An empty schema of this test's own on PostgreSQL."""
    with postgresql_server.new_schema() as url:
        yield url


@pytest.fixture
def routectl(
    database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Routectl:
    """Run a command line in this process, on this test's database."""
    monkeypatch.setenv("ROUTECTL_DB", database_url)
    monkeypatch.setenv("ROUTECTL_ACTOR", "tester")

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        code = run([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """An open, empty store."""
    opened, _ = create_or_open(Location.parse(database_url))
    with opened:
        yield opened


@pytest.fixture(scope="session", autouse=True)
def _new_databases_are_copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A SQLite file that a command makes in this process is a copy of one that the migrations made.

    They take a sixth of all the tests' time. The tests of migrations, each process that a test
    starts and PostgreSQL run them.
    """
    made = tmp_path_factory.mktemp("new") / "routectl.db"
    create_or_open(Location.parse(str(made)))[0].close()

    def copied(store: Store, target: str) -> schema.Migrated:
        if store.location.path is None or target != SCHEMA_VERSION:
            return migrated(store, target)
        with closing(sqlite3.connect(store.location.path)) as new:
            if new.execute("SELECT 1 FROM sqlite_master").fetchone():
                return migrated(store, target)
            with closing(sqlite3.connect(made)) as source:
                source.backup(new)
        return schema.Migrated(None, None)

    migrated = schema.upgrade
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "upgrade", copied)
        yield


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of an embedder of a few kilobytes, so that training and scoring take a second."""
    return str(make_tiny_model(tmp_path_factory.mktemp("tiny")))


class Silence:
    """A reporter that remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    warn = note

    def detail(self, sentence: str) -> None:
        """Nobody looks at the steps."""

    @contextmanager
    def progress(self, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
        yield lambda _: None


@pytest.fixture
def reporter() -> Silence:
    return Silence()


def _question(number: int) -> str:
    """A prompt of its own for each number, of very different lengths."""
    return f"question {number}: " + "why? " * (number * 37 % 101)


def payload(number: int, prompt: str | None = None, **fields: Any) -> dict[str, Any]:
    """One LiteLLM StandardLoggingPayload, with the keys that matter."""
    return {
        "id": f"chatcmpl-{number}",
        "trace_id": None,
        "call_type": "acompletion",
        "status": "success",
        "cache_hit": None,
        "startTime": 1_790_000_000.0 + 600 * number,
        "model_group": "smart",
        "prompt_tokens": 10 + number % 7,
        "completion_tokens": 20,
        "response_cost": 0.001,
        "request_tags": [],
        "metadata": {},
        "messages": [{"role": "user", "content": _question(number) if prompt is None else prompt}],
        **fields,
    }


def write_log(path: Path, records: Sequence[dict[str, Any]]) -> Path:
    """A JSONL log of these records."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of 200 requests with as many prompts, over 33 hours."""
    return write_log(tmp_path / "litellm.jsonl", [payload(n) for n in range(200)])
