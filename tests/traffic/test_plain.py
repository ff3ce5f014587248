"""Plain text and JSON strings: one prompt per line."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import ReadLog, payload


def test_every_line_is_a_prompt_and_nothing_else_is_stripped(read_log: ReadLog) -> None:
    found = read_log([b"  Hi there \t\r", b"", b" \t ", b'"quoted"', b"{not json", b"\xc3\xbc"])
    assert found.texts == ["  Hi there \t", '"quoted"', "{not json", "ü"]
    assert (found.counts.rows, found.counts.rejected) == (4, 0)


def test_a_line_that_is_not_utf8_is_rejected(read_log: ReadLog) -> None:
    found = read_log([b"Hi", b"\xfcber", b"you"], format="text")
    assert found.texts == ["Hi", "you"]
    assert [(reject.line, reject.reason, reject.raw) for reject in found.rejects] == [
        (2, "not UTF-8", b"\xfcber")
    ]


def test_equal_prompts_are_two_requests(read_log: ReadLog) -> None:
    first, second = read_log([b"Hi", b"Hi"]).requests
    assert first.source_id != second.source_id


def test_appending_keeps_the_ids_of_earlier_rows(read_log: ReadLog) -> None:
    before = [request.source_id for request in read_log([b"Hi", b"", b"you"]).requests]
    after = [request.source_id for request in read_log([b"Hi", b"", b"you", b"there"]).requests]
    assert after[:2] == before
    assert len(set(after)) == 3


def test_a_caller_may_name_the_source(read_log: ReadLog) -> None:
    ids = {read_log([b"Hi"], identity=name).requests[0].source_id for name in ("a", "b", "a")}
    assert len(ids) == 2


def test_a_prompt_with_line_breaks_is_written_as_a_json_string(read_log: ReadLog) -> None:
    found = read_log([b'"two\\nlines"', b'"Hi"'])
    assert found.texts == ["two\nlines", "Hi"]
    assert found.requests[0].source_kind == "json-strings"


def test_quotes_are_part_of_the_prompt_unless_every_line_has_them(read_log: ReadLog) -> None:
    assert read_log([b'"To be"', b"or not"]).texts == ['"To be"', "or not"]
    assert read_log([b'"To be"', b'"or not"'], format="text").texts == ['"To be"', '"or not"']
    assert read_log([b'"To be" or "not"', b'"Hi"']).texts == ['"To be" or "not"', '"Hi"']


def test_a_line_that_is_no_json_string_is_rejected_among_them(read_log: ReadLog) -> None:
    found = read_log([b'"Hi"', b"5", b"[]"], format="json-strings")
    assert found.texts == ["Hi"]
    assert [reject.reason for reject in found.rejects] == ["not a JSON string"] * 2


LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\0")).filter(
    str.strip
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(LINE, min_size=1, max_size=20))
def test_the_same_prompts_are_the_same_in_every_format(
    read_log: ReadLog, prompts: list[str]
) -> None:
    lines = [prompt.encode() for prompt in prompts]
    body = {"model": "gpt-4o"}
    bodies = [{**body, "messages": [{"role": "user", "content": p}]} for p in prompts]
    strings = [json.dumps(prompt).encode() for prompt in prompts]
    bom = bool(lines[0].startswith(b"\xef\xbb\xbf"))
    assert bom or read_log(lines, format="text").texts == prompts
    assert read_log([payload(prompt) for prompt in prompts]).texts == prompts
    assert read_log(bodies).texts == prompts
    assert read_log(strings).texts == prompts
