"""Rows of any log, read by JMESPath expressions."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from routectl.errors import UsageError
from tests.conftest import Routectl

from .conftest import payload
from .renderings import lines, table
from .test_cases import stored

ROW = {
    "call": {"at": "2026-01-27T07:46:40Z", "who": "kim", "id": "1c5f9d52-0e7b-4f7a"},
    "asked": {"turns": [{"role": "user", "content": "How do I rotate a log file?"}]},
    "used": {"in": "1,234", "usd": "$0.0012"},
}
MAP = (
    *("--map", "prompt=asked.turns", "--map", "time=call.at", "--map", "end_user=call.who"),
    *("--map", "tokens_in=used.in", "--map", "cost=used.usd", "--map", "id=call.id"),
)
NOON = datetime(2026, 1, 27, 7, 46, 40, tzinfo=UTC).timestamp()


def test_what_paths_say_is_read_of_objects_of_no_known_format(
    routectl: Routectl, database: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(lines([ROW]))
    assert routectl("import", log, *MAP).code == 0
    (request,) = stored(database)
    assert (request["text"], request["time"]) == ("How do I rotate a log file?", NOON)
    assert (request["end_user"], request["tokens_in"], request["cost"]) == ("kim", 1234, 0.0012)
    assert request["source_id"] == "1c5f9d52-0e7b-4f7a"
    assert "Nothing changed" in routectl("import", log, *MAP).out


def test_a_table_is_mapped_by_its_columns_and_into_json_in_its_cells(
    routectl: Routectl, database: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log.csv"
    log.write_bytes(table([{"Who asked": "kim", "body": '{"q": {"text": "Why?"}}'}]))
    mapping = ("--map", "prompt=body.q.text", "--map", 'end_user="Who asked"')
    assert routectl("import", log, *mapping).code == 0
    (request,) = stored(database)
    assert (request["text"], request["end_user"]) == ("Why?", "kim")


def test_with_a_format_the_paths_replace_only_what_they_map(
    routectl: Routectl, database: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(lines([payload("Hi", custom={"team": "ads"})]))
    mapping = ("--format", "litellm", "--map", "team=custom.team")
    assert routectl("import", log, *mapping, "--where", "team=ads").code == 0
    (request,) = stored(database)
    assert (request["text"], request["team"], request["cost"]) == ("Hi", "ads", 0.000225)


def test_a_path_that_fits_no_row_stores_nothing_and_names_the_keys(
    routectl: Routectl, database: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(lines([ROW, ROW]))
    result = routectl("import", log, "--map", "prompt=asked.turns", "--map", "time=call.time")
    assert result.code == 1
    assert "'call.time' of time; the rows have the keys call, asked, used" in result.err
    assert stored(database) == []


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        ("prompt", "write field=PATH"),
        ("prompt=", "write field=PATH"),
        ("colour=a.b", "no field 'colour' to map; the fields are prompt, id, time"),
        ("prompt=a..b", "no JMESPath expression"),
        ("time=call.at", "--map needs prompt=PATH"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_told_at_once(
    routectl: Routectl, tmp_path: Path, mapping: str, reason: str
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(lines([ROW]))
    result = routectl("import", log, "--map", mapping)
    assert result.code == UsageError.exit_code
    assert reason in result.err


def test_rows_that_have_nothing_at_a_path_are_kept_without_it(
    routectl: Routectl, database: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(lines([ROW, {**ROW, "call": {}}, {**ROW, "asked": None}]))
    assert routectl("import", log, "--map", "prompt=asked.turns", "--map", "time=call.at").code == 0
    facts = [(request["time"], request["exclusion"]) for request in stored(database)]
    assert facts == [(NOON, None), (None, None), (NOON, "no_text")]
