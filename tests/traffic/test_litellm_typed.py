"""A line of LiteLLM is parsed with types where it can be, and that changes nothing but the time."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from routectl.request import TrafficRequest
from routectl.traffic.envelopes import rows
from routectl.traffic.litellm import FORMAT
from routectl.traffic.rows import Row, RowError, Skip
from routectl.traffic.source import Source

from .conftest import payload

odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
texts = st.sampled_from(["None", "", " a ", "x", "é", "\0", "\ud800", "a" * 600, "chatcmpl-1", "1"])
numbers = st.sampled_from([0, -1, 7, 2**63, 2**64, 10**30, 0.5, -0.0, 1e300, "12", "1e3", "nan"])
times = st.sampled_from([1.7e9, 1737710446, 1.7e12, 1.7e18, "2025-01-24", "soon", 0, -1.0])
turn = st.fixed_dictionaries(
    {},
    optional={"role": st.sampled_from(["user", "system", 3]), "content": texts | odd},
)
metadata = st.fixed_dictionaries(
    {},
    optional={
        "routing_decision": odd
        | st.fixed_dictionaries({}, optional={"routed_model": texts | odd, "score": numbers | odd}),
        "user_api_key_team_alias": texts | odd,
        "user_api_key_team_id": texts | odd,
        "user_api_key_alias": texts | odd,
        "user_api_key_end_user_id": texts | odd,
    },
)
payloads = st.fixed_dictionaries(
    {},
    optional={
        "id": texts | odd,
        "call_type": st.sampled_from(["completion", "embedding", "None", None]) | odd,
        "messages": st.lists(turn, max_size=3) | odd,
        "metadata": metadata | odd,
        "litellm_call_id": texts | odd,
        "session_id": texts | odd,
        "trace_id": texts | odd,
        "startTime": times | odd,
        "model_group": texts | odd,
        "model": texts | odd,
        "status": st.sampled_from(["success", "failure"]) | odd,
        "cache_hit": st.sampled_from([True, False, None, "True", "None"]) | odd,
        "end_user": texts | odd,
        "request_tags": st.lists(texts, max_size=3) | odd,
        "prompt_tokens": numbers | odd,
        "completion_tokens": numbers | odd,
        "response_cost": numbers | odd,
        "response": odd,
    },
)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """Rows as LiteLLM writes them, with any key replaced by nearly anything, and damaged rows."""
    value = payload() | draw(payloads) if draw(st.booleans()) else draw(payloads | odd)
    written = json.dumps(value, ensure_ascii=draw(st.booleans()))
    raw = written.encode("utf-8", "surrogatepass").replace(b"\n", b"")
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(0, len(raw)))
        raw = raw[:place] + draw(st.binary(max_size=2)).replace(b"\n", b"") + raw[place + 1 :]
    return raw


def outcome(row: Row) -> TrafficRequest | Skip | str:
    if row.fault is not None:
        return row.fault
    try:
        return FORMAT.request(row)
    except RowError as error:
        return str(error)


def outcomes(read: Callable[[Source], Iterator[Row]], log: bytes) -> list[object]:
    rows = read(Source(io.BytesIO(log), name="log", identity="log"))
    return [(row.number, row.raw, outcome(row)) for row in rows]


def untyped(source: Source) -> Iterator[Row]:
    return rows(source, lambda value: "id" in value and "call_type" in value)


@settings(max_examples=200)
@given(line=lines())
@example(b'{"id":"a","call_type":null,"response":"\xff"}')
@example(b'{"id":"a","call_type":null,"model":"\\ud800","response":"\\ud800"}')
@example(b'{"id":"a","call_type":null,"id":"b","metadata":null,"metadata":{}}')
@example(b'{"id":"a","call_type":null,"response_cost":1e999,"prompt_tokens":' + b"9" * 400 + b"}")
@example(b'{"id":"a","call_type":null,"response":' + b"[" * 5000 + b"]" * 5000 + b"}")
@example(b'{"id":"a","call_type":null,"messages":[' + b"9" * 5000 + b"]}")
def test_a_row_is_the_same_with_types_and_without(line: bytes) -> None:
    # The kind of the log is told by its beginning, so that every line is one row.
    log = b'{"id":"first","call_type":null}\n' + line + b"\n"
    assert outcomes(FORMAT.rows, log) == outcomes(untyped, log)


@pytest.mark.parametrize("ascii", [True, False])
def test_what_litellm_writes_is_parsed_with_types(ascii: bool) -> None:
    log = json.dumps(payload("Où est-ce ?"), ensure_ascii=ascii).encode()
    [row] = FORMAT.rows(Source(io.BytesIO(log), name="log", identity="log"))
    assert not isinstance(row.value, dict)
