"""Langfuse observations, of its exports and of its public API."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from routectl.records import Exclusion
from routectl.request import TrafficRequest

from .conftest import Read, ReadLog

TURNS = [{"role": "system", "content": "Brief."}, {"role": "user", "content": "Hi"}]


def exported(**fields: object) -> dict[str, Any]:
    """An enriched observation of a blob export."""
    return {
        "id": "obs-1",
        "trace_id": "trace-1",
        "type": "GENERATION",
        "start_time": "2025-01-24 09:20:46.847000",
        "level": "DEFAULT",
        "input": json.dumps(TURNS),
        "provided_model_name": "gpt-4o",
        "usage_details": {"input": 8, "input_cached_tokens": 2, "output": 20, "total": 30},
        "total_cost": 0.5,
        "user_id": "kim",
        "session_id": "talk",
        "tags": ["eu"],
        **fields,
    }


def answered(**fields: object) -> dict[str, Any]:
    """An observation of the public API."""
    return {
        "id": "obs-1",
        "traceId": "trace-1",
        "type": "GENERATION",
        "startTime": "2025-01-24T09:20:46.847Z",
        "level": "DEFAULT",
        "input": TURNS,
        "model": "gpt-4o",
        "usageDetails": {"input": 8, "input_cached_tokens": 2, "output": 20, "total": 30},
        "totalCost": 0.5,
        **fields,
    }


KNOWN = TrafficRequest(
    source_kind="langfuse",
    source_id="obs-1",
    text="Hi",
    time=datetime(2025, 1, 24, 9, 20, 46, 847000, tzinfo=UTC),
    model_group="gpt-4o",
    status="success",
    end_user="kim",
    tags=("eu",),
    conversation="talk",
    tokens_in=10,
    tokens_out=20,
    cost=0.5,
)


def test_all_that_an_export_knows_arrives(read_log: ReadLog) -> None:
    assert read_log([exported()]).requests == [KNOWN]


def test_an_observation_of_the_api_takes_user_and_session_from_its_trace(tmp_path: Path) -> None:
    trace = {"id": "trace-1", "userId": "kim", "sessionId": "talk", "tags": ["eu"], "name": "n"}
    log = tmp_path / "trace.json"
    log.write_text(json.dumps({"trace": trace, "observations": [answered()]}, indent=2))
    assert Read(log, None, None).requests == [KNOWN]


def test_every_observation_of_a_page_is_a_row(read_log: ReadLog) -> None:
    page = {
        "data": [answered(), answered(id="obs-2", type="SPAN"), "noise", answered(id="obs-3")],
        "meta": {"page": 1},
    }
    found = read_log([page, {"data": [], "meta": {}}])
    assert [request.source_id for request in found.requests] == ["obs-1", "obs-3"]
    assert found.counts.skipped == {"observation type SPAN": 1}
    assert [(reject.line, reject.raw) for reject in found.rejects] == [(1, b'"noise"')]
    assert found.counts.rows == 4


@pytest.mark.parametrize(
    "written",
    [
        "Hi",
        '"Hi"',
        TURNS,
        json.dumps(TURNS),
        {"messages": TURNS},
        json.dumps({"messages": TURNS, "tools": []}),
        {"args": ["Hi"]},
        {"args": [5, TURNS], "kwargs": {}},
        {"args": [], "kwargs": {"messages": TURNS}},
    ],
)
def test_the_input_is_text_or_json_in_many_shapes(read_log: ReadLog, written: object) -> None:
    assert read_log([exported(input=written)]).texts == ["Hi"]


@pytest.mark.parametrize(
    "written",
    [
        "system: Be brief.\nuser: Hello\nassistant: None\ntool: user\nuser: Hi",
        "user: Hi\n",
        {
            "messages": [
                "role='system' content='Be brief.' name=None",
                "role='user' content='Hi' name=None tool_calls=None",
                "role='assistant' content=None name=None",
            ]
        },
        {"contents": "Hi"},
        {"messages": [{"type": "human", "content": "Hi"}, {"type": "ai", "content": ""}]},
        json.dumps([{"role": "user", "content": json.dumps({"messages": TURNS})}]),
    ],
)
def test_the_input_is_what_any_framework_logs(read_log: ReadLog, written: object) -> None:
    assert read_log([exported(input=written)]).texts == ["Hi"]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("spelling", ["parentObservationId", "parent_observation_id"])
def test_a_generation_below_another_with_its_prompt_is_the_same_call(
    read_log: ReadLog, order: int, spelling: str
) -> None:
    rows = [
        exported(id="p", **{spelling: "span"}),
        exported(id="c", **{spelling: "p"}),
        exported(id="other", **{spelling: "p"}, input="Another"),
        exported(id="sibling", **{spelling: "span"}),
    ]
    result = read_log(rows[::order])
    assert sorted(filter(None, result.texts)) == ["Another", "Hi", "Hi"]
    assert sum(result.counts.skipped.values()) == 1


@pytest.mark.parametrize(
    "fields", [{"name": "litellm-aembedding"}, {"provided_model_name": "text-embedding-3-small"}]
)
def test_embeddings_that_are_called_generations_are_left_out(
    read_log: ReadLog, fields: dict[str, object]
) -> None:
    result = read_log([exported(), exported(id="e", **fields)])
    assert len(result.requests) == 1
    assert result.counts.skipped == {"call type embedding": 1}


@pytest.mark.parametrize("written", ["5", "true", "null", "[1, 2", "{curly}"])
def test_a_text_that_is_no_conversation_is_the_prompt(read_log: ReadLog, written: str) -> None:
    assert read_log([exported(input=written)]).texts == [written]


@pytest.mark.parametrize("written", [None, "", {}, [], {"question": "Hi"}, {"args": 5}])
def test_an_input_of_the_applications_own_shape_is_no_text(
    read_log: ReadLog, written: object
) -> None:
    (request,) = read_log([exported(input=written)]).requests
    assert (request.text, request.exclusion) == (None, Exclusion.NO_TEXT)


def test_an_input_that_the_sdk_dropped_is_truncated(read_log: ReadLog) -> None:
    dropped = "<truncated due to size exceeding limit>"
    (request,) = read_log([exported(input=dropped)]).requests
    assert (request.text, request.exclusion) == (None, Exclusion.TRUNCATED)


def test_only_generations_are_requests(read_log: ReadLog) -> None:
    found = read_log([exported(), exported(type="SPAN"), exported(type="EMBEDDING")])
    assert len(found.requests) == 1
    assert found.counts.skipped == {"observation type SPAN": 1, "observation type EMBEDDING": 1}


def test_an_error_is_a_failure(read_log: ReadLog) -> None:
    assert read_log([exported(level="ERROR")]).requests[0].status == "failure"


def test_a_trace_is_the_conversation_where_there_is_no_session(read_log: ReadLog) -> None:
    (request,) = read_log([answered()]).requests
    assert (request.conversation, request.end_user) == ("trace-1", None)


def test_older_answers_count_tokens_in_fields_of_their_own(read_log: ReadLog) -> None:
    written = answered(usageDetails={}, usage=None, promptTokens=7, completionTokens=9)
    (request,) = read_log([written]).requests
    assert (request.tokens_in, request.tokens_out) == (7, 9)


def test_scores_and_traces_of_an_export_are_no_observations(read_log: ReadLog) -> None:
    found = read_log([exported(), {"id": "s", "trace_id": "t", "value": 1, "data_type": "NUMERIC"}])
    assert [reject.line for reject in found.rejects] == [2]
