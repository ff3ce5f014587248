"""Input files of OpenAI's Batch API."""

from __future__ import annotations

from typing import Any

import pytest

from routectl.records import Exclusion

from .conftest import ReadLog

BODY = {"model": "gpt-4o", "user": "kim", "messages": [{"role": "user", "content": "Hi"}]}


def line(body: object = BODY, **fields: object) -> dict[str, Any]:
    return {
        "custom_id": "request-1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": body,
        **fields,
    }


def test_a_line_gives_its_bodys_prompt_model_and_user(read_log: ReadLog) -> None:
    (request,) = read_log([line()]).requests
    assert (request.source_kind, request.text) == ("openai-batch", "Hi")
    assert (request.model_group, request.end_user) == ("gpt-4o", "kim")


@pytest.mark.parametrize(
    "written",
    [
        line({"model": "m", "input": "Hi"}, url="/v1/responses"),
        line({"model": "m", "prompt": "Hi"}, url="/v1/completions"),
        line({"model": "m", "input": "Hi"}, url=None),
    ],
)
def test_every_chat_endpoint_is_read(read_log: ReadLog, written: object) -> None:
    assert read_log([written]).texts == ["Hi"]


def test_other_endpoints_are_skipped(read_log: ReadLog) -> None:
    embedding = {"model": "text-embedding-3-small", "input": "Hi"}
    found = read_log([line(), line(embedding, url="/v1/embeddings"), line(embedding, url=None)])
    assert found.texts == ["Hi"]
    assert found.counts.skipped == {"endpoint /v1/embeddings": 1, "call type embedding": 1}


def test_a_custom_id_names_a_request_within_its_file_only(read_log: ReadLog) -> None:
    def ids(*lines: object, identity: str = "batch.jsonl") -> list[str]:
        return [found.source_id for found in read_log(lines, identity=identity).requests]

    other = line(custom_id="request-2")
    first, second = ids(line(), other)
    assert ids(other, line()) == [second, first]  # wherever it stands
    changed = ids(line({**BODY, "messages": [{"role": "user", "content": "you"}]}))
    elsewhere = ids(line(), identity="tomorrow.jsonl")
    assert len({first, second, *changed, *elsewhere}) == 4


def test_a_body_without_human_text_is_excluded(read_log: ReadLog) -> None:
    (request,) = read_log([line({**BODY, "messages": []})]).requests
    assert request.exclusion is Exclusion.NO_TEXT


def test_what_is_no_batch_request_is_rejected(read_log: ReadLog) -> None:
    wrong = [BODY, {"custom_id": "1", "body": "Hi"}, "Hi"]
    found = read_log([line(), *wrong], format="openai-batch")
    assert [reject.line for reject in found.rejects] == [2, 3, 4]
