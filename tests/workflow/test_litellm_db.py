"""The spend logs in a LiteLLM proxy's own PostgreSQL.

The table is made anew here from LiteLLM's published schema (litellm/proxy/schema.prisma): Prisma's
String is text, Float double precision, Int integer, DateTime timestamp(3), Json jsonb.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conftest import Routectl
from tests.postgresql import PostgresqlServer
from tests.traffic.test_cases import stored

TABLE = """
CREATE TABLE "LiteLLM_SpendLogs" (
  "request_id" text PRIMARY KEY, "call_type" text NOT NULL, "api_key" text NOT NULL DEFAULT '',
  "spend" double precision NOT NULL DEFAULT 0, "total_tokens" integer NOT NULL DEFAULT 0,
  "prompt_tokens" integer NOT NULL DEFAULT 0, "completion_tokens" integer NOT NULL DEFAULT 0,
  "startTime" timestamp(3) NOT NULL, "endTime" timestamp(3) NOT NULL,
  "completionStartTime" timestamp(3), "model" text NOT NULL DEFAULT '', "model_id" text,
  "model_group" text, "custom_llm_provider" text, "api_base" text, "user" text,
  "metadata" jsonb DEFAULT '{}', "cache_hit" text, "cache_key" text,
  "request_tags" jsonb DEFAULT '[]', "team_id" text, "organization_id" text, "end_user" text,
  "requester_ip_address" text, "messages" jsonb DEFAULT '{}', "response" jsonb DEFAULT '{}',
  "session_id" text, "status" text, "mcp_namespaced_tool_name" text, "agent_id" text,
  "proxy_server_request" jsonb DEFAULT '{}'
)
"""
NOON = datetime(2026, 1, 27, 12, tzinfo=UTC)


class Proxy:
    """A proxy's database, as far as it logs."""

    def __init__(self, connection: psycopg.Connection[Any], url: str) -> None:
        self.url = url
        self._connection = connection

    def execute(self, statement: str, *values: object) -> None:
        self._connection.execute(statement.encode(), values)

    def log(self, number: int, time: datetime, prompt: str | None = None, **columns: Any) -> None:
        """Write one row, as the proxy does."""
        body = {"messages": [{"role": "user", "content": prompt or f"prompt {number}"}]}
        row = {
            "request_id": f"chatcmpl-{number}",
            "call_type": "acompletion",
            "spend": 0.001,
            "prompt_tokens": 10,
            "completion_tokens": 20,
            "startTime": time.replace(tzinfo=None),
            "endTime": time.replace(tzinfo=None),
            "model": "gpt-4o",
            "model_group": "smart",
            "metadata": json.dumps(
                {"user_api_key_team_alias": "search", "litellm_call_id": f"call-{number}"}
            ),
            "request_tags": '["eu"]',
            "cache_hit": "None",
            "session_id": "talk",
            "status": "success",
            "proxy_server_request": json.dumps(body),
            **columns,
        }
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join(["%s"] * len(row))
        self.execute(f'INSERT INTO "LiteLLM_SpendLogs" ({names}) VALUES ({marks})', *row.values())


@pytest.fixture
def proxy(postgresql_server: PostgresqlServer) -> Iterator[Proxy]:
    with (
        postgresql_server.new_schema() as url,
        psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection,
    ):
        yield Proxy(connection, url.replace("+psycopg", ""))


def test_spend_logs_are_read_from_the_proxys_database(
    routectl: Routectl, database: Path, proxy: Proxy
) -> None:
    proxy.execute(TABLE)
    proxy.log(1, NOON, "How do I rotate a log file?")
    proxy.log(2, NOON, call_type="aembedding")
    assert routectl("import", "--litellm-db", proxy.url).code == 0
    (request,) = stored(database)
    assert {
        "text": "How do I rotate a log file?",
        "source_kind": "spendlogs",
        "source_id": "chatcmpl-1",
        "time": NOON.timestamp(),
        "model_group": "smart",
        "team": "search",
        "tags": ["eu"],
        "conversation": "talk",
        "status": "success",
        "cache_hit": 0,
        "tokens_in": 10,
        "tokens_out": 20,
        "cost": 0.001,
    }.items() <= request.items()


def test_only_what_is_new_is_read_again_and_late_rows_are_not_missed(
    routectl: Routectl, database: Path, proxy: Proxy
) -> None:
    proxy.execute(TABLE)
    for number in range(3):
        proxy.log(number, NOON + timedelta(days=number))
    routectl("import", "--litellm-db", proxy.url)
    proxy.log(8, NOON + timedelta(days=2, hours=-1))  # its call ended after a later one began
    proxy.log(9, NOON + timedelta(days=3))
    result = routectl("import", "--litellm-db", proxy.url)
    assert "reading rows from 2026-01-29 06:00:00 UTC on" in result.err
    assert "read       3 rows" in result.out
    assert "added      2 requests" in result.out
    assert len(stored(database)) == 5


def test_another_population_is_read_from_the_beginning(
    routectl: Routectl, database: Path, proxy: Proxy
) -> None:
    proxy.execute(TABLE)
    proxy.log(1, NOON, model_group="other")
    proxy.log(2, NOON + timedelta(days=9))
    routectl("import", "--litellm-db", proxy.url, "--where", "model_group=smart")
    assert len(stored(database)) == 1
    routectl("import", "--litellm-db", proxy.url)
    assert len(stored(database)) == 2


def test_a_table_of_before_lacks_columns_and_is_read(
    routectl: Routectl, database: Path, proxy: Proxy
) -> None:
    proxy.execute(TABLE)
    proxy.log(1, NOON)
    for column in ("status", "agent_id", "mcp_namespaced_tool_name"):
        proxy.execute(f'ALTER TABLE "LiteLLM_SpendLogs" DROP COLUMN "{column}"')
    assert routectl("import", "--litellm-db", proxy.url).code == 0
    assert [row["text"] for row in stored(database)] == ["prompt 1"]


def test_nothing_is_written_to_the_proxys_database(
    routectl: Routectl, proxy: Proxy, postgresql_server: PostgresqlServer
) -> None:
    proxy.execute(TABLE)
    proxy.log(1, NOON)
    proxy.execute("CREATE ROLE reader LOGIN")
    try:
        proxy.execute('GRANT SELECT ON "LiteLLM_SpendLogs" TO reader')
        schema = proxy.url.rsplit("%3D", 1)[1]
        proxy.execute(f"GRANT USAGE ON SCHEMA {schema} TO reader")
        url = proxy.url.replace("//postgres@", "//reader@")
        assert routectl("import", "--litellm-db", url).code == 0
    finally:
        proxy.execute("DROP OWNED BY reader")
        proxy.execute("DROP ROLE reader")


def test_a_database_that_is_no_litellms_is_told(routectl: Routectl, proxy: Proxy) -> None:
    result = routectl("import", "--litellm-db", proxy.url)
    assert result.code == 1
    assert "is no LiteLLM proxy's database: it has no table LiteLLM_SpendLogs" in result.err
    proxy.execute('CREATE TABLE "LiteLLM_SpendLogs" (request_id text)')
    result = routectl("import", "--litellm-db", proxy.url)
    assert "its table LiteLLM_SpendLogs lacks call_type, startTime" in result.err


@pytest.mark.parametrize("url", ["sqlite:///x.db", "x.db", "mysql://host/x"])
def test_the_url_of_another_database_is_refused(routectl: Routectl, url: str) -> None:
    result = routectl("import", "--litellm-db", url)
    assert result.code == 2
    assert "--litellm-db takes the URL of the proxy's PostgreSQL database" in result.err


def test_files_and_a_database_are_not_read_together(routectl: Routectl, log: Path) -> None:
    assert routectl("import", log, "--litellm-db", "postgresql://host/x").code == 2
    assert routectl("import").code == 2


def test_a_password_is_never_shown_or_stored(
    routectl: Routectl, database: Path, proxy: Proxy
) -> None:
    proxy.execute(TABLE)
    proxy.log(1, NOON)
    url = proxy.url.replace("//postgres@", "//postgres:hunter2@")
    result = routectl("import", "--litellm-db", url, "--json")
    assert result.code == 0
    assert "hunter2" not in result.out + result.err
    assert b"hunter2" not in database.read_bytes()
