"""Bytes become the same rows however they arrive."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.traffic import splitting
from routectl.traffic.splitting import Cut, lines, objects, spans_lines

TRICKY = st.text('a"\\{}[],\n é', max_size=12)
OBJECTS = st.lists(
    st.dictionaries(TRICKY, TRICKY | st.dictionaries(TRICKY, TRICKY, max_size=2), max_size=3),
    max_size=5,
)


def in_chunks(text: bytes, size: int) -> list[bytes]:
    return [text[begin : begin + size] for begin in range(0, len(text), size)]


@given(OBJECTS, st.sampled_from([None, 1]), st.integers(1, 30))
def test_the_objects_of_an_array_are_found_wherever_the_chunks_end(
    values: list[dict[str, object]], indent: int | None, size: int
) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=False).encode()
    assert [json.loads(found) for found in objects(in_chunks(text, size))] == values


@given(st.binary(max_size=60) | st.text('a"\\{}[], \n', max_size=60).map(str.encode))
def test_chunks_never_change_rows(text: bytes) -> None:
    for split in (lines, objects):
        whole = [(row, type(row)) for row in split([text])]
        for size in (1, 2, 7):
            assert [(row, type(row)) for row in split(in_chunks(text, size))] == whole


@given(st.binary(max_size=60))
def test_lines_lose_nothing(text: bytes) -> None:
    assert list(lines(in_chunks(text, 7))) == text.removesuffix(b"\n").split(b"\n")[: len(text)]


def test_what_stands_between_objects_is_a_row() -> None:
    text = b'[{"a": 1}, null, {"b": 2}}, "x" {"c": 3'
    assert list(objects([text])) == [b'{"a": 1}', b"null", b'{"b": 2}', b'}, "x"', b'{"c": 3']


@pytest.mark.parametrize("size", [1, 50, 999, 10_000])
def test_an_object_beyond_the_limit_is_passed_over_to_its_end(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(splitting, "MAX_ROW", 1000)
    monkeypatch.setattr(splitting, "KEPT_OF_CUT", 20)
    inner = b'{"messages": "x}", "pad": "' + b"y{\\\\" * 3000 + b'"}'
    text = b'[{"a": 1}, {"big": ' + inner + b"}, " + b"z" * 5000 + b', {"b": 2}]'
    found = list(objects(in_chunks(text, size)))
    assert [row for row in found if type(row) is bytes] == [b'{"a": 1}', b'{"b": 2}']
    cut = [row for row in found if isinstance(row, Cut)]
    assert [row[:9] for row in cut] == [b'{"big": {', b"z" * 9]
    assert max(map(len, cut)) == 20


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'[{"a": 1}]', True),
        (b'\n [ {\n"a": 1}]', True),
        (b"[{}]", True),
        (b'{\n  "a": 1\n}', True),
        (b"[\r\n1]", True),
        (b'{"a": 1}\n{"a": 2}', False),
        (b"[1] is a list\n", False),
        (b"[{curly}]\n", False),
        (b"{", False),
        (b"Hi", False),
    ],
)
def test_json_that_spans_lines_is_told_by_its_beginning(text: bytes, expected: bool) -> None:
    assert spans_lines(text) is expected
