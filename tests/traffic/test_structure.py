"""A conversation, a table or a setting that is written as text is never scored as a prompt."""

from __future__ import annotations

import json

import pytest

from routectl.errors import InputError

from .conftest import ReadLog

TURNS = [
    {"role": "system", "content": "Be kind"},
    {"role": "user", "content": "Why is the sky blue?"},
]


@pytest.mark.parametrize("written", [repr(TURNS), json.dumps(TURNS)], ids=["Python", "JSON"])
@pytest.mark.parametrize("key", ["messages", "input", "prompt"])
def test_turns_in_a_body_may_be_text(read_log: ReadLog, key: str, written: str) -> None:
    log = read_log([json.dumps({"model": "gpt-5", key: written}).encode()])
    assert log.texts == ["Why is the sky blue?"]


@pytest.mark.parametrize("line", [repr(TURNS), repr(TURNS[1]), json.dumps(TURNS)])
def test_turns_on_a_line_of_text_are_read_as_turns(read_log: ReadLog, line: str) -> None:
    assert read_log([line.encode()], format="text").texts == ["Why is the sky blue?"]


def test_a_literal_that_is_no_conversation_may_be_asked_about(read_log: ReadLog) -> None:
    lines = ["[3, 1, 2]", "{'name': 'Ada'}", "Sort them."]
    assert read_log([line.encode() for line in lines], format="text").texts == lines


def test_turns_that_cannot_be_read_back_are_rejected(read_log: ReadLog) -> None:
    broken = (
        "[{'role': 'user', 'content': Why?}]",
        '{"messages": [{"role": "user", "content": "Why?"',
        '{"messages": [{"role": "user", "content": "Wh',
        "[" * 5000 + "]" * 5000,
        "[" * 5000,
    )
    log = read_log([*map(str.encode, broken), b"How?"], format="text")
    assert log.texts == ["How?"]
    assert [reject.reason for reject in log.rejects] == [
        "turns that are written in a way that cannot be read back"
    ] * len(broken)


@pytest.mark.parametrize(
    "lines",
    [
        ["- prompt: Why?", "  model: gpt-5", "- prompt: How?", "  model: gpt-5"],
        ["model_list:", "  - model_name: smart", "    litellm_params:"],
        ['["Why?", "How?"]'],
    ],
    ids=["YAML rows", "YAML config", "JSON list"],
)
def test_structured_text_is_no_plain_text(read_log: ReadLog, lines: list[str]) -> None:
    with pytest.raises(InputError, match="is of no known format"):
        read_log([line.encode() for line in lines])


@pytest.mark.parametrize("rule", ["|---|---|", "| :--- | ---: |", "---|---"])
def test_a_markdown_table_is_refused_by_name(read_log: ReadLog, rule: str) -> None:
    edge = "|" if rule.startswith("|") else ""
    lines = [f"{edge}prompt | model{edge}", rule, f"{edge}Why? | gpt-5{edge}"]
    with pytest.raises(InputError, match="is a table in Markdown: export it as CSV"):
        read_log([line.encode() for line in lines])
