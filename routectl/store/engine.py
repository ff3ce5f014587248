"""A database: where it is, how it is set up, and its transactions."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from routectl.errors import StoreError, UsageError, reason_of
from routectl.store.failures import errors_as_sentences

SCHEMA_VERSION = "0008"
"""The newest migration. A test holds the two together, so that opening needs no Alembic."""

BUSY_TIMEOUT_SECONDS = 30.0
"""How long a writer waits for another before it says that the database is locked."""

CONNECT_TIMEOUT_SECONDS = 10
"""How long a server may take to answer at all."""

# A Ctrl-C that meets SQLAlchemy while it closes a connection is raised again and said in a sentence
# of ours; where nobody has set up logging, Python would print the traceback that it logs besides.
# So does psycopg of a pipeline that an error ended, with the user's name.
for _name in ("sqlalchemy.pool", "psycopg"):
    logging.getLogger(_name).addHandler(logging.NullHandler())

_PATIENCE = {"connect_timeout": CONNECT_TIMEOUT_SECONDS}
_BACKENDS = ("sqlite", "postgresql")
_WRITER_LOCK = 0x726F7574  # "rout"; any number that no other program locks by
_PAGE_BYTES = 16_384
_LOG_BYTES = 20 * 2**20
"""How far SQLite's write-ahead log grows before it is carried over into the file."""
_PRINTED = re.compile(r"[\w./:,-]*")
_LOOKS_LIKE_AN_ADDRESS = re.compile(
    r"\w+ *= *\S+ +\w+ *="  # host=h dbname=d, as libpq takes it
    r"|^(postgres|postgresql|sqlite)(\+\w+)?:"
    r"|(^|/)[^/]*:[^/]*@"
)
_AS_URLS_ARE_WRITTEN = (
    "and is not repeated here, because it may hold a password: write sqlite:///FILE or "
    "postgresql://USER@HOST/NAME"
)
_IN_MEMORY = ":memory:"
"""What SQLite takes for no file."""
_GONE_AT_ONCE = "an in-memory database would be gone at once: name a file"
_REVISION = re.compile(r"\d{4}")
_OLDEST_TABLE = "prompts"
"""That every schema of ours has."""
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
            if _LOOKS_LIKE_AN_ADDRESS.search(text):
                raise UsageError(f"--db looks like a server's address, {_AS_URLS_ARE_WRITTEN}")
            if text == _IN_MEMORY:
                raise UsageError(_GONE_AT_ONCE)
            return cls(URL.create("sqlite", database=os.path.expanduser(text)))  # noqa: PTH111
        try:
            url = make_url(text)
            if url.drivername in ("postgres", "postgresql"):
                url = url.set(drivername="postgresql+psycopg")
            usable = url.get_backend_name() in _BACKENDS and not url.get_dialect().is_async
            if usable and url.get_backend_name() == "postgresql":
                url.get_dialect()().create_connect_args(url)
        except (ArgumentError, NoSuchModuleError, ValueError, TypeError):
            usable = False
        if not usable:
            raise UsageError(
                "routectl runs on SQLite and PostgreSQL, and the database URL is of neither, or "
                f"has a part that cannot be read, {_AS_URLS_ARE_WRITTEN}"
            )
        if url.get_backend_name() == "sqlite":
            if url.database in (None, "", _IN_MEMORY):
                raise UsageError(_GONE_AT_ONCE)
            # A ? in a name ends it, so that another file would be taken.
            if "?" in text or url.host or url.drivername not in ("sqlite", "sqlite+pysqlite"):
                # With uri=true, say, the file is another than the one that is named.
                raise UsageError(
                    "a SQLite database is a file, with no options and no other driver: write "
                    "sqlite:///FILE, or the file's name alone"
                )
        return cls(url)

    @property
    def path(self) -> Path | None:
        """The file, for SQLite."""
        if self.url.get_backend_name() == "sqlite" and self.url.database:
            return Path(self.url.database)
        return None

    def __str__(self) -> str:
        if self.path:
            return str(self.path)
        return printed_url(self.url)


def printed_url(url: URL) -> str:
    """Of a server's URL what may be printed: its kind, host, port and database name.

    A secret may be anywhere else, and in a URL that is not well-formed within these, too: so
    they are printed only where they look like what they should be.
    """
    host = url.host or url.query.get("host") or ""
    host = host if isinstance(host, str) else ",".join(host)
    port = "" if url.port is None else f":{url.port}"
    parts = [text if _PRINTED.fullmatch(text) else "***" for text in (host, url.database or "")]
    # A folder of sockets is written as libpq reads it.
    return f"{url.get_backend_name()}://{parts[0].replace('/', '%2F')}{port}/{parts[1]}"


class Store:
    """An open database. `read()` and `write()` give a connection in a transaction.

    On every database there is one writer at a time, and who waits for it too long is told so.
    """

    def __init__(self, engine: Engine, location: Location) -> None:
        self.engine = engine
        self.location = location
        self._reading = engine.execution_options(routectl_access="read")
        self._writing = engine.execution_options(routectl_access="write")
        self._file: tuple[int, int] | None = None
        """Which file the first transaction wrote into."""

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database."""
        with errors_as_sentences(self.location), self._reading.begin() as connection:
            yield connection

    @contextmanager
    def read_together(self, count: int) -> Iterator[list[Connection]]:
        """So many transactions that all see one state, each for a thread of its own."""
        with errors_as_sentences(self.location), ExitStack() as stack:
            connections = [stack.enter_context(self._reading.connect()) for _ in range(count)]
            if self.location.path is None:
                _begin_alike_on_postgresql(connections)
            else:
                _begin_alike_on_sqlite(connections)
            yield connections

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits on leaving, all or nothing.

        Raises:
            StoreError: it failed, or the file has another name by now, or none.
        """
        path = self.location.path
        with errors_as_sentences(self.location), self._writing.begin() as connection:
            # Not before it was opened to be written: a container's file system may copy it then.
            self._file = self._file or _file_at(path)
            yield connection
        if path is not None and (self._file is None or _file_at(path) != self._file):
            # SQLite goes on writing into the file that it opened.
            raise StoreError(
                f"{self.location} was replaced or removed while this command ran, and what it "
                "stored went into the file that was there: replace a database only while no "
                "command runs, and run this one again"
            )

    def write_ahead(self) -> None:
        """Have readers and a writer not wait for each other, of a database that is ours: SQLite
        keeps that in the file."""
        if self.location.path is None:
            return
        with errors_as_sentences(self.location), closing(self.engine.raw_connection()) as raw:
            cursor = raw.cursor()
            try:
                if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                    cursor.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                # What cannot be written can still be read in the mode that it is in.
                if not str(getattr(error, "sqlite_errorname", "")).startswith("SQLITE_READONLY"):
                    raise

    def close(self) -> None:
        self.engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _file_at(path: Path | None) -> tuple[int, int] | None:
    """Which file a path leads to; None where it leads to none, or for a server."""
    try:
        status = None if path is None else path.stat()
    except OSError:
        return None
    return None if status is None else (status.st_dev, status.st_ino)


def connect(location: Location) -> Store:
    """A store whose database exists, whatever its schema; raises StoreError."""
    path = location.path
    if path is not None:
        _refuse_what_is_no_database(path)
    return _store(location)


def schema_version(store: Store) -> str | None:
    """The schema that the database is at; None where it holds none of ours."""
    with store.read() as connection:
        return version_in(connection)


def version_in(connection: Connection) -> str | None:
    """The same, as this transaction sees it.

    Raises:
        StoreError: its tables are another application's, or damaged.
    """
    from sqlalchemy import inspect

    inspector = inspect(connection)
    if not inspector.has_table("alembic_version"):
        return None
    rows = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    if not rows:
        return None
    (version, *others) = rows
    is_ours = isinstance(version, str) and _REVISION.fullmatch(version) and not others
    if not is_ours or not inspector.has_table(_OLDEST_TABLE):
        raise StoreError(
            "the database holds tables of another application, or some of routectl's are missing: "
            "name the right one with --db, or restore a copy (docs/troubleshooting.md)"
        )
    return str(version)


def _store(location: Location) -> Store:
    if location.path is not None:
        engine = create_engine(location.url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        patience = {} if "connect_timeout" in location.url.query else _PATIENCE
        try:
            engine = create_engine(location.url, connect_args=patience)
        except ImportError:
            raise StoreError(
                f"the driver for {location} is not installed: "
                "run `pip install 'routectl[postgres]'`"
            ) from None
        event.listen(engine, "begin", _begin_postgresql)
    return Store(engine, location)


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # Transactions are begun by `_begin_sqlite`: the driver's own rule begins too late.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    # Of a new file only. An import writes most pages whole, and of larger ones there are fewer.
    cursor.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    cursor.execute("PRAGMA synchronous = NORMAL")
    # A page that cannot be right is refused when it is first read.
    cursor.execute("PRAGMA cell_size_check = ON")
    # Keys are digests, so an import touches every page of their indexes: with SQLite's own 2 MB
    # of cache and a checkpoint each 4 MB of log, it spends most of its time rewriting pages.
    cursor.execute("PRAGMA cache_size = -65536")
    page_bytes = cursor.execute("PRAGMA page_size").fetchone()[0]
    cursor.execute(f"PRAGMA wal_autocheckpoint = {_LOG_BYTES // page_bytes}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: a reader that turns writer half way cannot wait for one.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if _access(connection) == "write" else "BEGIN")


def _begin_postgresql(connection: Connection) -> None:
    statements = [f"SET LOCAL lock_timeout = {round(BUSY_TIMEOUT_SECONDS * 1000)}"]
    if _access(connection) == "read":
        # All statements of a transaction see one state, as they do in SQLite.
        statements.insert(0, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    if _access(connection) == "write":
        # One writer at a time, as in SQLite: what it has read stays true until it commits.
        schema = "hashtext(coalesce(current_schema(), ''))"
        statements.append(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK}, {schema})")
    connection.exec_driver_sql("; ".join(statements))


def _begin_alike_on_sqlite(connections: Sequence[Connection]) -> None:
    """Begin transactions until nobody committed between the first and the last."""
    first, *others = connections
    before = None
    while True:
        first.begin()
        # It rises for a connection when another one has committed, and the look at it is what
        # fixes the state that a transaction sees.
        now = _data_version(first)
        if now == before or not others:
            return
        before = now
        for connection in others:
            connection.rollback()
            connection.begin()
            _data_version(connection)
        first.rollback()


def _data_version(connection: Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())


def _begin_alike_on_postgresql(connections: Sequence[Connection]) -> None:
    first, *others = connections
    first.begin()
    state = first.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()
    for connection in others:
        connection.begin()
        connection.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{state}'")


def _access(connection: Connection) -> object:
    return connection.get_execution_options().get("routectl_access")


def _refuse_what_is_no_database(path: Path) -> None:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise StoreError(f"{path} is a directory, not a database: name a file with --db")
        if not stat.S_ISREG(mode):
            # To read a pipe would wait for whoever writes it, and some devices never end.
            raise StoreError(
                f"{path} is a device, pipe or socket, not a database: name a file with --db"
            )
        with path.open("rb") as file:
            head = file.read(len(_SQLITE_MAGIC))
    except FileNotFoundError:
        if path.is_symlink():
            # Nothing is made through a link.
            raise StoreError(
                f"{path} is a symbolic link to a file that is not there: remove the link, or name "
                "the file itself with --db"
            ) from None
        raise StoreError(
            f"no database at {path.absolute()}: run `routectl init` or `routectl import FILE` "
            "to make one, or name another with --db or ROUTECTL_DB"
        ) from None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {reason_of(error)}") from None
    if head and head != _SQLITE_MAGIC:
        raise StoreError(f"{path} is not a SQLite database: name the right file with --db")
