"""Request bodies of Anthropic's Messages API."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import ReadLog

TURNS = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]


def body(**fields: object) -> dict[str, Any]:
    return {"model": "claude-sonnet-4", "max_tokens": 9, "messages": TURNS, **fields}


def test_a_body_gives_its_prompt_model_and_user(read_log: ReadLog) -> None:
    written = body(system="Be brief.", metadata={"user_id": "kim"})
    (request,) = read_log([written]).requests
    assert (request.source_kind, request.text) == ("anthropic", "Hi")
    assert (request.model_group, request.end_user) == ("claude-sonnet-4", "kim")


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        (body(), "anthropic"),
        ({"messages": TURNS, "anthropic_version": "bedrock-2023-05-31"}, "anthropic"),
        ({"messages": TURNS, "model": "m", "system": [{"type": "text"}]}, "anthropic"),
        ({"messages": TURNS, "model": "m", "stop_sequences": []}, "anthropic"),
        ({"messages": TURNS, "model": "claude-sonnet-4"}, "openai"),
        ({"messages": TURNS, "model": "gpt-4o", "max_tokens": 9}, "openai"),
        ({"input": "Hi", "model": "claude-sonnet-4", "max_tokens": 9}, "openai"),
    ],
)
def test_it_is_told_from_openai_by_what_only_it_has(
    read_log: ReadLog, written: object, kind: str
) -> None:
    (request,) = read_log([written]).requests
    assert (request.source_kind, request.text) == (kind, "Hi")


def test_the_first_body_decides_so_that_appending_changes_no_kind(read_log: ReadLog) -> None:
    plain = {"messages": TURNS, "model": "m"}
    assert read_log([plain, body(), body()]).requests[0].source_kind == "openai"
    assert read_log([body(), plain, plain]).requests[2].source_kind == "anthropic"


def test_tool_results_are_no_human_text(read_log: ReadLog) -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": "42"}
    turns = [*TURNS, {"role": "assistant", "content": "..."}, {"role": "user", "content": [result]}]
    assert read_log([body(messages=turns)]).texts == ["Hi"]


def test_what_is_no_body_is_rejected(read_log: ReadLog) -> None:
    found = read_log([body(), {"model": "claude-sonnet-4"}, []])
    assert [reject.line for reject in found.rejects] == [2, 3]
