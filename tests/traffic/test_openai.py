"""OpenAI request bodies, one per line."""

from __future__ import annotations

import pytest

from routectl.records import Exclusion

from .conftest import ReadLog

BODY = {"model": "gpt-4o", "user": "kim", "messages": [{"role": "user", "content": "Hi"}]}


def test_a_body_gives_its_prompt_model_and_user(read_log: ReadLog) -> None:
    (request,) = read_log([BODY]).requests
    assert (request.source_kind, request.text) == ("openai", "Hi")
    assert (request.model_group, request.end_user, request.time) == ("gpt-4o", "kim", None)


@pytest.mark.parametrize(
    "body",
    [
        {"model": "gpt-4o", "input": "Hi"},
        {"model": "gpt-4o", "input": [{"role": "user", "content": "Hi"}]},
        {"model": "gpt-3.5-turbo-instruct", "prompt": "Hi"},
        {"messages": [{"role": "user", "content": "Hi"}]},
    ],
)
def test_responses_and_completions_are_read_too(read_log: ReadLog, body: object) -> None:
    assert read_log([body]).texts == ["Hi"]


def test_embeddings_are_no_router_traffic(read_log: ReadLog) -> None:
    found = read_log([{"model": "text-embedding-3-small", "input": "Hi"}, BODY])
    assert found.texts == ["Hi"]
    assert found.counts.skipped == {"call type embedding": 1}


def test_an_id_that_a_logger_added_is_the_source_id(read_log: ReadLog) -> None:
    own = ("req_01JAB2C3", "1c5f9d52-0e7b")
    rows = [{**BODY, "request_id": own[0]}, {**BODY, "id": own[1]}]
    ids = [request.source_id for request in read_log(rows).requests]
    assert ids == list(own)


@pytest.mark.parametrize("counter", [7, "7", "row-7", "request_0007", "r1"])
def test_what_only_counts_the_rows_of_a_file_is_no_id(read_log: ReadLog, counter: object) -> None:
    row = {**BODY, "id": counter}
    ids = {read_log([row], identity=name).requests[0].source_id for name in ("a", "b", "a")}
    assert len(ids) == 2


def test_a_body_without_human_text_is_excluded(read_log: ReadLog) -> None:
    (request,) = read_log([{**BODY, "messages": []}]).requests
    assert (request.text, request.exclusion) == (None, Exclusion.NO_TEXT)


def test_an_object_that_is_no_body_is_rejected(read_log: ReadLog) -> None:
    found = read_log([BODY, {"model": "gpt-4o"}, "Hi"])
    assert [reject.line for reject in found.rejects] == [2, 3]
    assert "none of messages, input, prompt" in found.rejects[0].reason
