"""Several logs in one import, and what an import says of what it could not use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import conftest
from tests.conftest import Routectl, write_log
from tests.traffic.conftest import payload
from tests.traffic.renderings import lines
from tests.traffic.test_cases import stored


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log among files that are none."""
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.jsonl").write_bytes(lines([payload("Hi", id="chatcmpl-a")]))
    (logs / "b.jsonl").write_bytes(lines([payload("you", id="chatcmpl-b")]))
    return logs


FOREIGN: dict[str, tuple[bytes, str]] = {
    "README.md": (b"# Logs\n\nOne file a day.\n", "plain text next to structured logs"),
    "aa.bin": (bytes(range(256)) * 50, "binary file"),
    "passwd": (b"root:x:0:0:root:/root:/bin/sh\n" * 5, "no known format"),
    "packed.zip": (b"PK\x03\x04" + b"x" * 50, "packed with zip"),
    "page.html": (b"<!doctype html>\n<p>Hi", "no known format"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_in_a_folder_is_passed_over_and_told(
    routectl: Routectl, database: Path, folder: Path, name: str
) -> None:
    content, reason = FOREIGN[name]
    (folder / name).write_bytes(content)
    result = routectl("import", folder)
    assert result.code == 0
    assert name in result.err
    assert reason in result.err
    assert "passed over  1 files" in result.out
    assert sorted(row["text"] for row in stored(database)) == ["Hi", "you"]


def test_a_file_that_was_named_and_cannot_be_read_is_an_error_after_all_others(
    routectl: Routectl, database: Path, folder: Path
) -> None:
    (folder / "page.html").write_bytes(b"<!doctype html>\n<p>Hi")
    result = routectl("import", folder / "page.html", folder / "a.jsonl", folder / "b.jsonl")
    assert result.code == 1
    assert "page.html is of no known format" in result.err
    assert sorted(row["text"] for row in stored(database)) == ["Hi", "you"]


def test_a_folder_of_foreign_files_is_an_error(routectl: Routectl, tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        (tmp_path / name).write_bytes(b"<!doctype html>\n<p>Hi")
    result = routectl("import", tmp_path / "a.html", tmp_path / "b.html")
    assert result.code == 1
    assert "None of the 2 files could be read" in result.err


def test_plain_text_is_announced_and_beside_a_log_it_takes_a_format(
    routectl: Routectl, database: Path, folder: Path
) -> None:
    text = folder / "prompts.txt"
    text.write_text("Name three rivers.\nName three lakes.\n")
    alone = routectl("import", text)
    assert "is read as plain text, one prompt a line" in alone.err
    assert len(stored(database)) == 2
    assert routectl("import", text, "--format", "text").out.count("unchanged") == 1


def test_what_filters_leave_out_is_never_called_already_there(
    routectl: Routectl, database: Path, folder: Path
) -> None:
    result = routectl("import", folder, "--where", "model_group=smrt")
    assert result.code == 0
    assert "all 2 requests were filtered out" in result.out
    assert "already there" not in result.out
    assert stored(database) == []


def test_times_and_numbers_that_cannot_be_read_are_counted(
    routectl: Routectl, database: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    row = {"prompt": "Hi", "time": "soon", "cost": "0,5 EUR", "prompt_tokens": "many"}
    log.write_bytes(lines([row, {**row, "time": 46049.3}]))
    result = routectl("import", log)
    assert "unreadable    2 values: time" in result.out
    assert routectl("import", log, "--json").json["unread"] == {
        "time": 2,
        "number of tokens": 2,
        "cost": 2,
    }
    filtered = routectl("import", log, "--since", "2026-01-01")
    assert "2 of them have no time" in filtered.out


ADVICE = {
    "litellm": (payload("redacted-by-litellm"), "turn_off_message_logging"),
    "truncated": (
        payload("a (litellm_truncated skipped 9 chars) b"),
        "MAX_STRING_LENGTH_PROMPT_IN_DB",
    ),
    "langfuse": (
        {"id": "o-1234-abcd", "traceId": "t", "type": "GENERATION", "input": None},
        "export the column `input`",
    ),
    "kong": ({"ai": {"proxy": {"meta": {}}}, "started_at": 1769500000250}, "log_payloads"),
}


@pytest.mark.parametrize("name", ADVICE)
def test_a_log_without_prompts_gets_its_own_products_advice(
    routectl: Routectl, tmp_path: Path, name: str
) -> None:
    row, advice = ADVICE[name]
    log = tmp_path / "log.jsonl"
    log.write_bytes(lines([row]))
    result = routectl("import", log)
    assert result.code == 1
    assert advice in result.err
    assert ("turn_off_message_logging" in result.err) == (name == "litellm")


def test_an_import_says_since_when_the_proxy_decides_a_route(
    routectl: Routectl, database: Path, tmp_path: Path
) -> None:
    def decided(number: int, route: str | None, time: float) -> dict[str, object]:
        entry = {"routectl": {"route": route}} if route else {}
        metadata = {"spend_logs_metadata": entry}
        return payload(id=f"chatcmpl-{number}", startTime=time, metadata=metadata)

    log = tmp_path / "log.jsonl"
    rows = [decided(1, None, 1.7e9), decided(2, "smart", 1.7e9 + 90), decided(3, "smart", 1.8e9)]
    log.write_bytes(lines([{**row, "litellm_call_id": None} for row in rows]))
    result = routectl("import", log)
    assert "smart: decided by the proxy since 2023-11-14 22:14:50 UTC" in result.out


def test_a_new_extraction_version_replaces_the_text_and_says_of_how_many(
    routectl: Routectl, database: Path, tmp_path: Path
) -> None:
    import sqlite3

    log = tmp_path / "log.jsonl"
    said = "<system-reminder>Mind the tests.</system-reminder>\nWhy?"
    rows = [payload(said, id="chatcmpl-a"), payload("Hi", id="chatcmpl-b", litellm_call_id="b")]
    log.write_bytes(lines(rows))
    routectl("import", log)
    connection = sqlite3.connect(database)
    connection.execute("UPDATE requests SET extraction_version = 1")
    connection.execute("UPDATE prompts SET text = ?, digest = 'x' WHERE text = 'Why?'", [said])
    connection.commit()
    connection.close()
    result = routectl("import", log)
    assert "2 of them read anew, by extraction version 2" in result.out
    assert {(row["text"], row["extraction_version"]) for row in stored(database)} == {
        ("Why?", 2),
        ("Hi", 2),
    }
    assert "Nothing changed" in routectl("import", log).out


def test_a_folder_of_one_object_a_file_is_one_import(
    routectl: Routectl, database: Path, tmp_path: Path
) -> None:
    for number in range(300):
        file = tmp_path / "s3" / str(number % 9) / f"{number}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        row = payload(f"Hi {number}", id=f"chatcmpl-{number}", litellm_call_id=str(number))
        file.write_text(json.dumps(row))
    assert routectl("import", tmp_path / "s3").code == 0
    assert len({row["text"] for row in stored(database)}) == 300


def test_a_log_that_was_imported_before_there_was_a_column_fills_it_when_it_comes_again(
    routectl: Routectl, tmp_path: Path
) -> None:
    log = write_log(tmp_path / "log", [conftest.payload(n, model="gpt-4o") for n in range(3)])
    routectl("import", log)
    before = routectl("traffic", "--json").json
    routectl("db", "downgrade", "0005")
    routectl("db", "upgrade")
    assert routectl("traffic", "--json").json != before
    assert "3 requests" in routectl("import", log).out
    assert routectl("traffic", "--json").json["by_model"] == before["by_model"]
    assert "Nothing changed" in routectl("import", log).out


def test_requests_of_a_route_that_its_policy_did_not_decide_are_counted(
    routectl: Routectl, tmp_path: Path
) -> None:
    entry = {"route": "smart", "decision": "strong", "model": "large", "reason": "threshold"}

    def row(number: int, cause: str, **fields: object) -> dict[str, Any]:
        routing = {"router_model_name": "smart", "routed_model": "large", "cause": cause}
        metadata = {"spend_logs_metadata": {"routectl": entry}, "routing_decision": routing}
        return conftest.payload(number, metadata=metadata, **fields)

    rows = [row(number, "classifier_plugin") for number in range(10)]
    rows += [row(number, "default_model_fallback") for number in range(10, 13)]
    rows += [row(number, "classifier_plugin", cache_hit=True) for number in range(13, 15)]
    rows += [row(15, "classifier_plugin", model_group="small")]

    done = routectl("import", write_log(tmp_path / "log.jsonl", rows))

    for count, why in ((3, "overridden"), (2, "cache hit"), (1, "fallback")):
        assert f"{count} requests of a route: {why}" in done.out
