"""The spend logs in a LiteLLM proxy's own database: PostgreSQL, read and never written.

The columns are those of `LiteLLM_SpendLogs` in litellm/proxy/schema.prisma of BerriAI/litellm (seen
from 1.40 to 1.108); of those that a version does not have yet, nothing is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import text

from routectl.errors import StoreError, UsageError
from routectl.store.engine import Location, connect

TABLE = "LiteLLM_SpendLogs"

_NEEDED = ("request_id", "call_type", "startTime")
_READ = (
    *_NEEDED,
    *("spend", "prompt_tokens", "completion_tokens", "model", "model_group", "metadata"),
    *("cache_hit", "request_tags", "team_id", "end_user", "messages", "session_id", "status"),
    *("proxy_server_request", "litellm_call_id", "api_key"),
)
"""All but the answers and what is nobody's business: addresses and users' names."""

_ROWS_AT_ONCE = 500


class SpendLogs:
    """A LiteLLM database that the user named by its URL."""

    def __init__(self, url: str) -> None:
        """Read the URL.

        Raises:
            UsageError: it is no PostgreSQL database's.
        """
        if "://" not in url or not url.startswith("postgres"):
            raise UsageError(
                "--litellm-db takes the URL of the proxy's PostgreSQL database, its DATABASE_URL: "
                "postgresql://USER@HOST/NAME"
            )
        # Prisma's own options, which libpq does not know.
        self._location = _without_options(Location.parse(url), "schema", "connection_limit")
        self._schema = _option(Location.parse(url), "schema")

    @property
    def name(self) -> str:
        """Where it is, as `printed_url` says it."""
        return str(self._location)

    def lines(self, since: datetime | None) -> Iterator[bytes]:
        """Yield the rows as lines of JSON, oldest first, as one moment of the database has them.

        Args:
            since: only rows whose calls began then or later.

        Raises:
            StoreError: the database cannot be read, or is no LiteLLM's.
        """
        with connect(self._location) as store, store.read() as connection:
            columns = set(
                connection.execute(
                    text(
                        "SELECT column_name FROM information_schema.columns "
                        "WHERE table_name = :name AND table_schema = "
                        "coalesce(:schema, current_schema())"
                    ),
                    {"name": TABLE, "schema": self._schema},
                ).scalars()
            )
            missing = [name for name in _NEEDED if name not in columns]
            if missing:
                raise StoreError(
                    f"{self.name} is no LiteLLM proxy's database: "
                    + (
                        f"its table {TABLE} lacks {', '.join(missing)}"
                        if columns
                        else f"it has no table {TABLE} in {self._schema or 'its schema'}"
                    )
                )
            chosen = ", ".join(f'"{name}"' for name in _READ if name in columns)
            table = f'"{TABLE}"' if self._schema is None else f'"{self._schema}"."{TABLE}"'
            begin = "" if since is None else 'WHERE "startTime" >= :since '
            query = text(
                f"SELECT row_to_json(s)::text FROM (SELECT {chosen} FROM {table} "
                f'{begin}ORDER BY "startTime", request_id) s'
            ).execution_options(yield_per=_ROWS_AT_ONCE)
            # The column has no zone, and holds UTC.
            moment = None if since is None else since.astimezone(UTC).replace(tzinfo=None)
            for (line,) in connection.execute(query, {} if since is None else {"since": moment}):
                yield line.encode() + b"\n"


def _option(location: Location, name: str) -> str | None:
    value = location.url.query.get(name)
    if isinstance(value, tuple):
        value = value[-1] if value else None
    if value is not None and not value.replace("_", "").isalnum():
        raise UsageError(f"the {name} of the database URL is no name")
    return value


def _without_options(location: Location, *names: str) -> Location:
    query = {key: value for key, value in location.url.query.items() if key not in names}
    return Location(location.url.set(query=query))
