"""The text that is scored is the last human text of the conversation, whatever its shape."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.extraction import VERSIONS, clean, extract

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
TOOL_CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "c1"}]}
TOOL_USE = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "look"}]}
TOOL_RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "42 degrees"}
TOOL_TEXT = {"type": "tool_result", "content": [{"type": "text", "text": "42 degrees"}]}


def user(content: object) -> dict[str, object]:
    return {"role": "user", "content": content}


def text(words: str) -> dict[str, object]:
    return {"type": "text", "text": words}


CASES: dict[str, tuple[object, str | None]] = {
    "string content": ({"messages": [user("Hi")]}, "Hi"),
    "the last of two human turns": (
        {"messages": [user("Hi"), {"role": "assistant", "content": "Yes?"}, user("Bye")]},
        "Bye",
    ),
    "assistant turn last": (
        {"messages": [user("Hi"), {"role": "assistant", "content": "Hello, I"}]},
        "Hi",
    ),
    "list content": ({"messages": [user([text("Hi")])]}, "Hi"),
    "text parts joined": (
        {"messages": [user([text("Look:"), IMAGE, text("What?")])]},
        "Look:\nWhat?",
    ),
    "blank parts left out": ({"messages": [user([text(""), text("Hi"), text(" \n")])]}, "Hi"),
    "strings as parts": ({"messages": [user(["Hi", "you"])]}, "Hi\nyou"),
    "part without type": ({"messages": [user([{"text": "Hi"}])]}, "Hi"),
    "image only": ({"messages": [user([IMAGE])]}, None),
    "image only, after a text": ({"messages": [user("Hi"), user([IMAGE])]}, "Hi"),
    "system only": ({"messages": [{"role": "system", "content": "Be brief."}]}, None),
    "developer only": ({"messages": [{"role": "developer", "content": "Be brief."}]}, None),
    "Anthropic system beside": ({"system": "Be brief.", "messages": [user("Hi")]}, "Hi"),
    "tool result last": (
        {"messages": [user("Weather?"), TOOL_CALL, {"role": "tool", "content": "42 degrees"}]},
        "Weather?",
    ),
    "Anthropic tool result alone": (
        {"messages": [user("Weather?"), TOOL_USE, user([TOOL_RESULT])]},
        "Weather?",
    ),
    "Anthropic tool result that holds text parts": (
        {"messages": [user("Weather?"), TOOL_USE, user([TOOL_TEXT])]},
        "Weather?",
    ),
    "Anthropic tool result mixed with text": (
        {"messages": [user("Weather?"), TOOL_USE, user([TOOL_RESULT, text("And tomorrow?")])]},
        "And tomorrow?",
    ),
    "only tool results": ({"messages": [user([TOOL_RESULT])]}, None),
    "Responses string": ({"model": "m", "input": "Hi"}, "Hi"),
    "Responses message items": (
        {"input": [{"type": "message", **user([{"type": "input_text", "text": "Hi"}])}]},
        "Hi",
    ),
    "Responses easy message": ({"instructions": "Be brief.", "input": [user("Hi")]}, "Hi"),
    "Responses function_call_output last": (
        {
            "input": [
                user("Weather?"),
                {"type": "function_call", "call_id": "c1", "name": "w", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": "42 degrees"},
            ]
        },
        "Weather?",
    ),
    "Responses assistant item": (
        {
            "input": [
                user("Hi"),
                {"role": "assistant", "content": [{"type": "output_text", "text": "Yo"}]},
            ]
        },
        "Hi",
    ),
    "completions prompt": ({"prompt": "Once upon"}, "Once upon"),
    "completions prompt list": ({"prompt": ["Once upon", "a time"]}, "a time"),
    "completions token ids": ({"prompt": [1, 2, 3]}, None),
    "empty messages beside an input": ({"messages": [], "input": "Hi"}, "Hi"),
    "one message that is no list": ({"messages": user("Hi")}, "Hi"),
    "messages as a string": ({"messages": "Hi"}, "Hi"),
    "bare list": ([user("Hi")], "Hi"),
    "bare string": ("Hi", "Hi"),
    "empty string": ({"messages": [user("")]}, None),
    "empty list": ({"messages": [user([])]}, None),
    "null content": ({"messages": [user(None)]}, None),
    "no messages": ({"messages": []}, None),
    "empty body": ({}, None),
    "whitespace": ({"messages": [user(" \t\r\n\u00a0\u2003")]}, None),
    "whitespace after a text": ({"messages": [user("Hi"), user("  ")]}, "Hi"),
    "nothing is stripped": ({"messages": [user("\n  Hi \r\n")]}, "\n  Hi \r\n"),
    "lone high surrogate": ({"messages": [user("a\ud83db")]}, "a\ufffdb"),
    "lone low surrogate": ({"messages": [user("\ude00")]}, "\ufffd"),
    "surrogate pair in two code units": ({"messages": [user("a\ud83d\ude00")]}, "a\U0001f600"),
    "lone surrogate before a pair": (
        {"messages": [user("\ud83d\ud83d\ude00")]},
        "\ufffd\U0001f600",
    ),
    "NUL": ({"messages": [user("a\0b")]}, "a\ufffdb"),
    "only NUL": ({"messages": [user("\0")]}, "\ufffd"),
    "right to left": (
        {"messages": [user("ما هي \u202b(عاصمة)\u202c مصر؟")]},
        "ما هي \u202b(عاصمة)\u202c مصر؟",
    ),
    "emoji": ({"messages": [user("👩‍👩‍👧‍👦 🇨🇭 👍🏽")]}, "👩‍👩‍👧‍👦 🇨🇭 👍🏽"),
    "combining marks are not composed": ({"messages": [user("e\u0301")]}, "e\u0301"),
    "number": (7, None),
    "null": (None, None),
    "message that is no object": ({"messages": [None, 3, ["x"]]}, "x"),
    "part type that is no string": ({"messages": [user([{"type": [], "text": "Hi"}])]}, None),
    "role that is no string": ({"messages": [{"role": [], "content": "Hi"}]}, None),
}


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES.keys())
def test_the_last_human_text_is_extracted(body: object, expected: str | None) -> None:
    assert extract(body) == expected


REMINDER = "<system-reminder>\nMind the tests.\n</system-reminder>"
HUMAN_MESSAGE = ["langchain", "schema", "messages", "HumanMessage"]
SHAPES: dict[str, tuple[object, str | None]] = {
    "Gemini": ({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}, "Hi"),
    "Gemini without a role": ({"contents": [{"parts": [{"text": "Hi"}]}]}, "Hi"),
    "Gemini text": ({"contents": "Hi"}, "Hi"),
    "Gemini function response last": (
        {
            "contents": [
                {"role": "user", "parts": [{"text": "Hi"}]},
                {"role": "model", "parts": [{"functionCall": {"name": "f"}}]},
                {"role": "user", "parts": [{"functionResponse": {"name": "f"}}]},
            ]
        },
        "Hi",
    ),
    "Gemini thought": ([{"role": "user", "parts": [{"text": "x", "thought": True}]}], None),
    "OpenTelemetry": ([{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}], "Hi"),
    "OpenTelemetry tool response last": (
        [
            {"role": "user", "parts": [{"type": "text", "content": "Hi"}]},
            {"role": "user", "parts": [{"type": "tool_call_response", "response": "42"}]},
        ],
        "Hi",
    ),
    "LangGraph": ({"messages": [{"type": "human", "content": "Hi"}, {"type": "ai"}]}, "Hi"),
    "LangChain's constructors": (
        [[{"lc": 1, "type": "constructor", "id": HUMAN_MESSAGE, "kwargs": {"content": "Hi"}}]],
        "Hi",
    ),
    "LangChain's messages_to_dict": ([{"type": "human", "data": {"content": "Hi"}}], "Hi"),
    "Semantic Kernel": (
        [{"role": {"label": "user"}, "items": [{"$type": "TextContent", "text": "Hi"}]}],
        "Hi",
    ),
    "Semantic Kernel for .NET": (
        [{"Role": {"Label": "user"}, "Items": [{"$type": "TextContent", "Text": "Hi"}]}],
        "Hi",
    ),
    "ShareGPT": ([{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes."}], "Hi"),
    "ChatGPT's export": (
        [{"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["Hi"]}}],
        "Hi",
    ),
    "content as an object": ({"messages": [user({"text": "Hi"})]}, "Hi"),
    "roles in capitals": ({"messages": [{"role": "USER", "content": "Hi"}]}, "Hi"),
    "one turn": (user("Hi"), "Hi"),
    "messages as JSON text": ({"messages": json.dumps([user("Hi")])}, "Hi"),
    "a body as JSON text in a turn": (
        [user(json.dumps({"model": "m", "messages": [user("Hi")]}))],
        "Hi",
    ),
    "JSON that somebody asks about": ([user('{"a": 1}')], '{"a": 1}'),
    "a reminder beside a tool result": (
        [user("Hi"), user([TOOL_RESULT, text(REMINDER)])],
        "Hi",
    ),
    "a reminder before the question": ([user(f"{REMINDER}\n\nHi you ")], "Hi you"),
    "a reminder as a part of its own": ([user([text(REMINDER), text("Hi you ")])], "Hi you "),
    "reminders around": ([user(f"{REMINDER}a\n{REMINDER}\nb{REMINDER.upper()}")], "a\n\nb"),
    "a reminder that is not closed": (
        [user("What is <system-reminder>?")],
        "What is <system-reminder>?",
    ),
    "Codex's environment": (
        [user("Hi"), user("<environment_context>\n<cwd>/x</cwd>\n</environment_context>")],
        "Hi",
    ),
    "Codex's AGENTS.md": (
        [user("# AGENTS.md instructions for /x\n\n<INSTRUCTIONS>\nBe brief.\n</INSTRUCTIONS>")],
        None,
    ),
    "a slash command": (
        [user("<command-name>/x</command-name>\n<command-args>Hi you</command-args>")],
        "Hi you",
    ),
    "Cursor": ([user("<user_info>\nx\n</user_info>\n<user_query>\nHi\n</user_query>")], "Hi"),
    "Cline": ([user("Hi\n<environment_details>\n# x\n</environment_details>")], "Hi"),
    "an interruption": ([user("Hi"), user("[Request interrupted by user]")], "Hi"),
    "a placeholder": ([user("Hi"), user("[image omitted]")], "Hi"),
    "a placeholder beside a text": ([user([text("Hi"), text("[image omitted]")])], "Hi"),
    "LiteLLM's placeholder": ([user("default-message-value")], None),
    "brackets that somebody writes": ([user("[draft] Hi")], "[draft] Hi"),
    "other tags": ([user("<b>Hi</b>")], "<b>Hi</b>"),
}


@pytest.mark.parametrize(("body", "expected"), SHAPES.values(), ids=SHAPES.keys())
def test_version_2_reads_more_shapes_and_no_injected_text(
    body: object, expected: str | None
) -> None:
    assert extract(body) == expected


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES.keys())
def test_every_version_reads_the_plain_shapes_alike(
    version: int, body: object, expected: str | None
) -> None:
    assert extract(body, version=version) == expected


def test_version_1_is_what_it_was() -> None:
    assert extract([user(f"{REMINDER}\nHi")], version=1) == f"{REMINDER}\nHi"
    assert extract([user([TOOL_RESULT, text(REMINDER)])], version=1) == REMINDER
    assert extract({"contents": "Hi"}, version=1) is None
    assert extract({"messages": "[]"}, version=1) == "[]"


def test_there_is_no_version_of_any_other_number() -> None:
    with pytest.raises(ValueError, match="no extraction version 9; there are 1, 2"):
        extract("Hi", version=9)


def test_a_text_of_unclosed_elements_takes_no_time() -> None:
    opened = "<system-reminder>" * 20_000 + "</b>"
    assert extract(opened) == opened


def test_a_megabyte_of_text_comes_out_whole() -> None:
    words = "0123456789abcde\n" * 2**16
    assert extract({"messages": [user([text(words[:-1]), text("end")])]}) == words + "end"


def test_nesting_of_any_depth_is_no_error() -> None:
    deep: object = "Hi"
    for _ in range(100_000):
        deep = [deep]
    assert extract({"messages": [user(deep)]}) is None
    assert extract(deep) is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.sampled_from(["user", "text", "tool_result", "\ud800", "\0", " "]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "messages",
                    "input",
                    "prompt",
                    "contents",
                    "parts",
                    "role",
                    "content",
                    "type",
                    "text",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@given(JSON)
def test_any_json_value_gives_a_text_that_can_be_stored_or_none(body: object) -> None:
    for version in VERSIONS:
        prompt = extract(body, version=version)
        if prompt is not None:
            assert prompt
            assert not prompt.isspace()
            assert "\0" not in prompt
            assert prompt.encode().decode() == prompt


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_a_text_that_can_be_stored_is_returned_as_it_is(words: str) -> None:
    expected = None if words.isspace() else words
    assert extract({"messages": [user(words)]}) == expected
    assert extract({"messages": [user([text(words)])]}) == expected
    assert extract({"input": words}) == expected


@given(st.text(st.characters(codec=None)))
def test_the_same_text_is_scored_whether_escaped_or_not(words: str) -> None:
    """JSON joins an escaped surrogate pair; two code units that were never joined end alike."""
    assert clean(json.loads(json.dumps(words))) == clean(words)
    assert clean(clean(words)) == clean(words)


TURNS = st.lists(
    st.builds(
        lambda role, content: {"role": role, "content": content},
        st.sampled_from(["user", "user", "assistant", "system", "tool"]),
        st.sampled_from(
            [
                "why?",
                "how?",
                " ",
                None,
                [{"type": "text", "text": "a part"}],
                [{"type": "tool_result", "content": "42"}],
                json.dumps([user("one"), user("two")]),
                "<system-reminder>be brief</system-reminder>",
            ]
        ),
    ),
    max_size=6,
)


@given(TURNS, TURNS)
def test_the_first_human_text_stays_while_a_conversation_grows(
    turns: list[dict[str, object]], more: list[dict[str, object]]
) -> None:
    first = extract({"messages": turns}, first=True)
    if first is None:
        assert extract({"messages": turns}) is None
    else:
        assert extract({"messages": turns + more}, first=True) == first
    if first is not None and first != "one":
        assert first == next(t for t in (extract([turn]) for turn in turns) if t is not None)


def test_where_there_is_one_human_text_it_is_the_first_and_the_last() -> None:
    for body in (
        "why?",
        {"input": "why?"},
        {"messages": [{"role": "system", "content": "Be brief."}, user("why?")]},
        {"contents": [{"parts": [{"text": "why?"}]}]},
        [[user("why?")]],
        json.dumps({"messages": [user("why?")]}),
    ):
        assert extract(body, first=True) == extract(body) == "why?"
    assert extract(json.dumps([user("one"), user("two")]), first=True) == "one"


@given(JSON)
def test_any_json_value_has_a_first_human_text_where_it_has_a_last_one(body: object) -> None:
    first = extract(body, first=True)
    assert (first is None) == (extract(body) is None)
    if first is not None:
        assert first.strip()
        assert first.encode().decode() == first


def test_an_extraction_version_that_cannot_read_first_texts_says_so() -> None:
    with pytest.raises(ValueError, match="There is no extraction version 1; there are 2"):
        extract("why?", 1, first=True)
