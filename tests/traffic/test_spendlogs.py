"""Rows of LiteLLM's table of spend logs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from routectl.records import Exclusion
from routectl.request import TrafficRequest

from .conftest import Read, ReadLog
from .renderings import table

BODY = {"model": "smart", "messages": [{"role": "user", "content": "Hi"}]}


def row(body: object = BODY, **fields: object) -> dict[str, Any]:
    """A row as the proxy writes it, cut to the fields that tell something."""
    return {
        "request_id": "chatcmpl-1",
        "session_id": "talk",
        "call_type": "acompletion",
        "cache_hit": "None",
        "startTime": "2025-01-24 09:20:46.847371",
        "model": "gpt-4o-2024-08-06",
        "team_id": "team-17",
        "metadata": json.dumps(
            {"user_api_key_alias": "search-prod", "user_api_key_team_alias": "search"}
        ),
        "spend": 0.000225,
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "request_tags": '["eu", "User-Agent: curl"]',
        "end_user": "kim",
        "model_group": "smart",
        "messages": "{}",
        "response": "{}",
        "proxy_server_request": json.dumps(body),
        "status": "success",
        **fields,
    }


EVERYTHING = TrafficRequest(
    source_kind="spendlogs",
    source_id="chatcmpl-1",
    text="Hi",
    time=datetime(2025, 1, 24, 9, 20, 46, 847371, tzinfo=UTC),
    model_group="smart",
    call_type="acompletion",
    status="success",
    cache_hit=False,
    team="search",
    key_alias="search-prod",
    end_user="kim",
    tags=("eu", "User-Agent: curl"),
    conversation="talk",
    tokens_in=10,
    tokens_out=20,
    cost=0.000225,
    model="gpt-4o-2024-08-06",
)


def test_all_that_the_row_knows_arrives(read_log: ReadLog) -> None:
    assert read_log([row()]).requests == [EVERYTHING]


def test_an_export_of_the_table_as_csv_holds_the_same(tmp_path: Path) -> None:
    log = tmp_path / "spend.csv"
    log.write_bytes(table([row()]))
    assert Read(log, None, None).requests == [EVERYTHING]


def test_json_columns_may_be_json(read_log: ReadLog) -> None:
    columns = ("metadata", "request_tags", "messages", "response", "proxy_server_request")
    written = row()
    assert read_log([{**written, **{c: json.loads(written[c]) for c in columns}}]).requests == [
        EVERYTHING
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"input": "Hi"},
        {"prompt": "Hi"},
        {"max_tokens": 5, "messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
    ],
)
def test_the_prompt_is_in_the_body_whatever_the_endpoint(read_log: ReadLog, body: object) -> None:
    assert read_log([row(body)]).texts == ["Hi"]


def test_messages_are_read_where_they_are_filled_after_all(read_log: ReadLog) -> None:
    written = row({}, messages=json.dumps(BODY["messages"]))
    assert read_log([written]).texts == ["Hi"]


@pytest.mark.parametrize("body", ["{}", {}, None, "", "None", "no JSON", "[]"])
def test_a_proxy_that_stores_no_prompts_gives_requests_without_text(
    read_log: ReadLog, body: object
) -> None:
    (request,) = read_log([row(proxy_server_request=body)]).requests
    assert (request.text, request.exclusion) == (None, Exclusion.NO_TEXT)


def test_a_cut_prompt_is_never_scored(read_log: ReadLog) -> None:
    cut = "Sum up: ... (litellm_truncated skipped 5000 chars) ... the end"
    inside = row({"messages": [{"role": "user", "content": cut}]})
    whole = row(proxy_server_request='{"messages": [' + cut)
    for request in read_log([inside, whole]).requests:
        assert (request.text, request.exclusion) == (None, Exclusion.TRUNCATED)


def test_a_cut_elsewhere_in_the_conversation_leaves_the_prompt_whole(read_log: ReadLog) -> None:
    turns = [
        {"role": "system", "content": "a... (litellm_truncated skipped 9 chars) ...b"},
        {"role": "user", "content": "Hi"},
    ]
    assert read_log([row({"messages": turns})]).texts == ["Hi"]


def test_a_redacted_prompt_is_no_prompt(read_log: ReadLog) -> None:
    body = {"messages": [{"role": "user", "content": "redacted-by-litellm"}]}
    (request,) = read_log([row(body)]).requests
    assert request.exclusion is Exclusion.REDACTED


@pytest.mark.parametrize(
    ("written", "expected"), [("True", True), ("False", False), ("None", False), ("", False)]
)
def test_a_cache_hit_is_written_as_text(read_log: ReadLog, written: str, expected: bool) -> None:
    assert read_log([row(cache_hit=written)]).requests[0].cache_hit is expected


def test_a_failure_of_an_older_version_is_in_the_metadata(read_log: ReadLog) -> None:
    written = row(status=None, metadata=json.dumps({"status": "failure"}))
    assert read_log([written]).requests[0].status == "failure"


def test_other_calls_are_skipped_by_call_type(read_log: ReadLog) -> None:
    found = read_log([row(), row(call_type="aembedding", request_id="2")])
    assert found.counts.skipped == {"call type aembedding": 1}
    assert found.texts == ["Hi"]


def test_a_session_that_is_only_the_call_is_no_conversation(read_log: ReadLog) -> None:
    assert read_log([row(session_id="chatcmpl-1")]).requests[0].conversation is None


def test_what_is_no_spend_log_is_rejected(read_log: ReadLog) -> None:
    found = read_log([row(), {"id": "1"}, 5])
    assert [reject.line for reject in found.rejects] == [2, 3]
    assert "no `request_id`" in found.rejects[0].reason
