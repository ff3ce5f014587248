"""Opening a database: where it is, how it is set up, and what to say when it cannot be used."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from routectl.errors import StoreError, UsageError

SCHEMA_VERSION = "0002"
"""The newest migration. A test holds the two together, so that opening needs no Alembic."""

BUSY_TIMEOUT_SECONDS = 30.0
"""How long a writer waits for another before it says that the database is locked."""

_SQLITE_MAGIC = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True)
class Location:
    """A database that the user named: a path, or a SQLAlchemy URL."""

    url: URL

    @classmethod
    def parse(cls, text: str) -> Location:
        """Read what `--db` or `ROUTECTL_DB` holds; raises UsageError."""
        if "://" not in text:
            if not text.strip():
                raise UsageError("--db is empty: name a file or a database URL")
            return cls(URL.create("sqlite", database=str(Path(text).expanduser())))
        try:
            url = make_url(text)
            url.get_dialect()
        except (ArgumentError, NoSuchModuleError, ValueError):
            # The text may hold a password, so it is not repeated.
            raise UsageError(
                "the database URL is not one that SQLAlchemy knows: write "
                "sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME"
            ) from None
        if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
            raise UsageError("an in-memory database would be gone at once: name a file")
        return cls(url)

    @property
    def path(self) -> Path | None:
        """The file, for SQLite."""
        if self.url.get_backend_name() == "sqlite" and self.url.database:
            return Path(self.url.database)
        return None

    def __str__(self) -> str:
        return str(self.path) if self.path else self.url.render_as_string(hide_password=True)


class Store:
    """An open database. `read()` and `write()` give a connection in a transaction."""

    def __init__(self, engine: Engine, location: Location) -> None:
        self.engine = engine
        self.location = location
        self._writing = engine.execution_options(routectl_write=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database."""
        with _errors_as_sentences(self.location), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits on leaving, all or nothing."""
        with _errors_as_sentences(self.location), self._writing.begin() as connection:
            yield connection

    def close(self) -> None:
        self.engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(location: Location) -> Store:
    """A store whose database exists, whatever its schema; raises StoreError."""
    path = location.path
    if path is not None:
        _refuse_what_is_no_database(path)
    return _store(location)


def open_store(location: Location) -> Store:
    """A store at the newest schema; raises StoreError."""
    store = connect(location)
    try:
        check_schema(store)
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
            from routectl.store.schema import upgrade

            upgrade(store, SCHEMA_VERSION)
        check_schema(store)
    except BaseException:
        store.close()
        raise
    return store, created


def schema_version(store: Store) -> str | None:
    """The schema that the database is at; None where it holds none of ours."""
    from sqlalchemy import inspect

    with store.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def check_schema(store: Store) -> None:
    """Raise StoreError unless the database is at the schema that this version was written for."""
    found = schema_version(store)
    if found == SCHEMA_VERSION:
        return
    where = store.location
    if found is None:
        raise StoreError(
            f"{where} holds no routectl tables: run `routectl init` to make a database, "
            "or name the right one with --db"
        )
    if found < SCHEMA_VERSION:
        raise StoreError(
            f"{where} is at schema {found}, this routectl needs {SCHEMA_VERSION}: "
            "run `routectl db upgrade`"
        )
    raise StoreError(
        f"{where} is at schema {found}, newer than the {SCHEMA_VERSION} of this routectl: "
        "install a newer routectl"
    )


def _store(location: Location) -> Store:
    if location.path is not None:
        engine = create_engine(location.url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        try:
            engine = create_engine(location.url)
        except ModuleNotFoundError as error:
            raise StoreError(
                f"no driver for {location}: install the Python package {error.name}"
            ) from None
    return Store(engine, location)


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # Transactions are begun by `_begin_sqlite`: the driver's own rule begins too late.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    try:
        if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            cursor.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        # A database that cannot be written can still be read in the mode that it is in.
        if "readonly" not in str(error):
            raise
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: a reader that turns writer half way cannot wait for one.
    writing = connection.get_execution_options().get("routectl_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _has_tables(store: Store) -> bool:
    from sqlalchemy import inspect

    with store.read() as connection:
        return bool(inspect(connection).get_table_names())


def _refuse_what_is_no_database(path: Path) -> None:
    if path.is_dir():
        raise StoreError(f"{path} is a directory, not a database: name a file with --db")
    try:
        with path.open("rb") as file:
            head = file.read(len(_SQLITE_MAGIC))
    except FileNotFoundError:
        raise StoreError(
            f"no database at {path.absolute()}: run `routectl init` or `routectl import FILE` "
            "to make one, or name another with --db or ROUTECTL_DB"
        ) from None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {_reason(error)}") from None
    if head and head != _SQLITE_MAGIC:
        raise StoreError(f"{path} is not a SQLite database: name the right file with --db")


def _create_private_file(path: Path) -> None:
    """Make an empty file that only its owner can read: it will hold prompts."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise StoreError(
            f"cannot make a database at {path.absolute()}: {_reason(error)}; "
            "name another place with --db"
        ) from None


def _reason(error: OSError) -> str:
    return {
        errno.EACCES: "permission denied",
        errno.ENOENT: "the folder does not exist",
        errno.ENOSPC: "the disk is full",
        errno.EROFS: "the file system is read-only",
    }.get(error.errno or 0, error.strerror or type(error).__name__)


_SQLITE_SENTENCES = (
    ("database is locked", "is locked by another process: try again when that has finished"),
    ("readonly database", "cannot be written: make the file and its folder writable"),
    ("unable to open", "cannot be opened: make the file and its folder readable and writable"),
    ("disk is full", "is on a full disk: free some space and run the command again"),
    ("disk I/O error", "could not be read or written (disk error or full disk); nothing was lost "
     "that had been stored: run the command again when the disk is well"),
    ("malformed", "is damaged: restore a copy, or import the logs into a new database"),
    ("not a database", "is not a SQLite database, or is damaged: name the right file with --db"),
)  # fmt: skip


@contextmanager
def _errors_as_sentences(location: Location) -> Iterator[None]:
    """Turn what a driver raises into one sentence, without the statement or its values."""
    try:
        yield
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0] if error.orig else "unknown error"
        for sign, sentence in _SQLITE_SENTENCES:
            if sign in reason:
                raise StoreError(f"{location} {sentence}") from None
        raise StoreError(f"{location}: the database said: {reason}") from None
