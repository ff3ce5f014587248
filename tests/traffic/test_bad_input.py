"""What no log should hold is counted and reported, in every format, and loses nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routectl.errors import InputError
from routectl.records import Reject
from routectl.request import MOST_TOKENS, TrafficRequest
from routectl.traffic import FORMATS, ImportCounts, open_source, read, sniff
from routectl.traffic.table import COLUMNS

from . import renderings
from .renderings import RENDERINGS, asked, lines, table

LINED = (
    "litellm",
    "spend logs",
    "spend logs as CSV",
    "langfuse export",
    "langfuse export as CSV",
    "openai",
    "anthropic",
    "openai batch",
    "csv",
    "json strings",
    "text",
)


def read_all(path: Path, format: str | None) -> tuple[list[TrafficRequest], list[Reject]]:
    """Read a log; every row must be in exactly one count."""
    counts, rejects = ImportCounts(), list[Reject]()
    with open_source(str(path)) as source:
        reading = read(source, format=format, on_reject=rejects.append, counts=counts, alone=False)
        requests = list(reading)
    assert counts.rows == counts.rejected + sum(counts.skipped.values()) + len(requests)
    assert counts.rejected == len(rejects)
    return requests, rejects


BAD_LINES: dict[str, bytes] = {
    "a line of 100 MB": b'{"a": "' + b"x" * 100_000_000 + b'"}',
    "10,000 nested brackets": b"[" * 10_000 + b"]" * 10_000,
    "10,000 nested objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "invalid UTF-8": b'{"id": "caf\xe9", "messages": "\xff\xfe"}',
    "NUL": b"\0\0\0",
    "an empty object": b"{}",
    "null": b"null",
    "half an object": b'{"id": "1", "messages": [{"role": "us',
    "a row of another log": b'{"event": "start", "at": 5}',
}

PROMPTS_IN_TEXT = ("NUL", "an empty object", "null", "a row of another log")


@pytest.mark.parametrize("bad", BAD_LINES)
@pytest.mark.parametrize("name", LINED)
def test_a_bad_line_is_told_by_its_number_and_all_others_are_read(
    tmp_path: Path, name: str, bad: str
) -> None:
    rendering = RENDERINGS[name]
    requests = asked(6, line_breaks=False)
    *good, last = rendering.write(requests).splitlines(keepends=True)
    log = tmp_path / "log"
    log.write_bytes(b"".join([*good, BAD_LINES[bad], b"\n", last]))
    # Lines that are not all JSON strings are prompts as they stand, unless one says otherwise, or
    # is of a body that cannot be read.
    found, rejects = read_all(log, "json-strings" if name == "json strings" else None)
    texts = [request.text for request in found]
    if name == "text" and bad in PROMPTS_IN_TEXT:
        assert texts[:5] + texts[6:] == [request.prompt for request in requests]
        assert rejects == []
        return
    assert texts == [request.prompt for request in requests]
    assert [reject.line for reject in rejects] == [len(good) + 1]
    assert BAD_LINES[bad].startswith(rejects[0].raw)
    assert len(rejects[0].raw) == min(len(BAD_LINES[bad]), 2**16)


@pytest.mark.parametrize("bad", BAD_LINES)
@pytest.mark.parametrize(
    "name", ["litellm", "spend logs", "langfuse export", "openai", "anthropic", "openai batch"]
)
def test_a_log_that_begins_with_a_bad_line_is_read_all_the_same(
    tmp_path: Path, name: str, bad: str
) -> None:
    requests = asked(6, line_breaks=False)
    log = tmp_path / "log"
    log.write_bytes(BAD_LINES[bad] + b"\n" + RENDERINGS[name].write(requests))
    found, rejects = read_all(log, None)
    assert [request.text for request in found] == [request.prompt for request in requests]
    assert [reject.line for reject in rejects] == [1]


MEMORY = """
import sys
from routectl.traffic import ImportCounts, open_source, read
counts = ImportCounts()
with open_source(sys.argv[1]) as source:
    for request in read(source, format=sys.argv[2], on_reject=lambda r: None, counts=counts):
        pass
peak = open("/proc/self/status").read().split("VmHWM:")[1].split()[0]
print(counts.rejected, int(peak) // 1024)
"""


@pytest.mark.parametrize("name", ["litellm", "csv", "text", "litellm array"])
def test_a_row_of_300_mb_takes_no_more_memory_than_the_longest_that_is_read(
    tmp_path: Path, name: str
) -> None:
    rendering = RENDERINGS[name]
    requests = asked(2, line_breaks=False)
    whole = rendering.write(requests)
    at = whole.index(b"{", 5) if name == "litellm array" else whole.index(b"\n") + 1
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.write(whole[:at] + b'{"a": "')
        for _ in range(300):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n' + (b"," if name == "litellm array" else b"") + whole[at:])
    command = [sys.executable, "-c", MEMORY, str(log), rendering.format]
    rejected, peak = map(int, subprocess.check_output(command).split())
    assert rejected == 1
    assert peak < 250


def test_rows_of_another_format_are_rejects_of_the_one_that_most_rows_have(
    tmp_path: Path,
) -> None:
    requests = asked(9)
    first = RENDERINGS["litellm"].write(requests[:6])
    second = RENDERINGS["openai batch"].write(requests[6:])
    log = tmp_path / "log"
    log.write_bytes(first + second)
    found, rejects = read_all(log, None)
    assert [request.source_kind for request in found] == ["litellm"] * 6
    assert [reject.line for reject in rejects] == [7, 8, 9]


ROW_WITH_TIME: dict[str, tuple[Any, str]] = {
    "litellm": (renderings.litellm, "startTime"),
    "spendlogs": (renderings.spend_log, "startTime"),
    "langfuse": (renderings.observation, "start_time"),
    "csv": (renderings.record, "created_at"),
}

MOMENT = datetime(2025, 1, 24, 9, 20, 46, 847000, tzinfo=UTC)
TIMES: list[tuple[object, datetime | None]] = [
    (MOMENT.timestamp(), MOMENT),
    (1737710446847, MOMENT),
    (1737710446847000, MOMENT),
    ("1737710446.847", MOMENT),
    ("2025-01-24 09:20:46.847", MOMENT),
    ("2025-01-24T09:20:46.847Z", MOMENT),
    ("2025-01-24T14:50:46.847+05:30", MOMENT),
    ("2025-01-24 01:20:46.847-08:00", MOMENT),
    ("2140-01-01", datetime(2140, 1, 1, tzinfo=UTC)),
    (5364662400, datetime(2140, 1, 1, tzinfo=UTC)),
    (None, None),
    ("None", None),
    ("0000-00-00 00:00:00", None),
    (1e300, None),
    (-1, None),
]


@pytest.mark.parametrize(("written", "expected"), TIMES)
@pytest.mark.parametrize("format", ROW_WITH_TIME)
def test_a_time_is_read_in_every_way_that_logs_write_it(
    tmp_path: Path, format: str, written: object, expected: datetime | None
) -> None:
    make, field = ROW_WITH_TIME[format]
    row = {**make(asked(1)[0]), field: written}
    log = tmp_path / "log"
    log.write_bytes(table([row]) if format == "csv" else lines([row]))
    (request,), _ = read_all(log, None)
    assert request.time == expected


ROW_WITH_ID: dict[str, tuple[Any, str]] = {
    "litellm": (renderings.litellm, "id"),
    "spendlogs": (renderings.spend_log, "request_id"),
    "langfuse": (renderings.observation, "id"),
    "openai-batch": (renderings.batch_line, "custom_id"),
    "csv": (renderings.record, "id"),
}


@pytest.mark.parametrize("written", [None, "None", "", "null", [], {}, True])
@pytest.mark.parametrize("format", ROW_WITH_ID)
def test_rows_without_an_id_are_kept_apart_and_keep_their_ids(
    tmp_path: Path, format: str, written: object
) -> None:
    make, field = ROW_WITH_ID[format]
    row = {**make(asked(1)[0]), field: written}
    log = tmp_path / "log"
    log.write_bytes(table([row, row]) if format == "csv" else lines([row, row]))
    first = [request.source_id for request in read_all(log, None)[0]]
    again = [request.source_id for request in read_all(log, None)[0]]
    assert first == again
    assert len(set(first)) == 1 if written is True and format == "csv" else 2


@pytest.mark.parametrize("left", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("name", [*LINED, "litellm array"])
def test_a_log_that_shrinks_while_it_is_read_gives_its_whole_rows_and_is_told(
    tmp_path: Path, name: str, left: float
) -> None:
    rendering = RENDERINGS[name]
    requests = asked(8000 if rendering.carries == renderings.PROMPT else 4000, line_breaks=False)
    log = tmp_path / "log"
    whole = rendering.write(requests)
    log.write_bytes(whole)
    texts = []
    with open_source(str(log)) as source:
        reading = read(source, format=rendering.format, on_reject=print, counts=ImportCounts())
        texts.append(next(reading).text)
        os.truncate(log, int(left * len(whole)))
        with pytest.raises(InputError, match=r"became shorter while it was read"):
            texts.extend(request.text for request in reading)
    assert texts == [request.prompt for request in requests[: len(texts)]]
    assert len(texts) >= left * 0.9 * len(requests)


FIELDS = sorted(
    {
        *("id", "request_id", "custom_id", "call_type", "type", "trace_id", "traceId", "body"),
        *("messages", "input", "prompt", "role", "content", "text", "args", "kwargs", "data"),
        *("metadata", "startTime", "start_time", "usage_details", "proxy_server_request"),
        *("model", "model_group", "status", "cache_hit", "request_tags", "tags", "url", "system"),
        *("max_tokens", "session_id", "observations", "trace", "level", "total_cost", "spend"),
        *("prompt_tokens", "completion_tokens", "response_cost", "routing_decision", "score"),
    }
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["GENERATION", "user", "None", "{}", "[]", '"', '{"a":', "1e999", "\ud83d"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6)
        | st.builds(lambda value: json.dumps(value), inner)
    ),
    max_leaves=12,
)
REQUIRED: dict[str, dict[str, Any]] = {
    "litellm": {"id": "1", "call_type": None},
    "spendlogs": {"request_id": "1", "call_type": ""},
    "langfuse": {"id": "1", "type": "GENERATION", "trace_id": None},
    "openai-batch": {"custom_id": "1", "body": {}},
    "openai": {"messages": None},
    "anthropic": {"messages": None},
}
ROWS = st.lists(VALUES | st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=10), max_size=5)
ANYWHERE = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)


def is_sound(request: TrafficRequest) -> bool:
    """Tell whether a database takes the request."""
    texts = [request.text, request.source_id, request.model_group, request.team, request.end_user]
    texts += [request.conversation, request.call_type, *request.tags]
    for text in texts:
        if text is not None and ("\0" in text or not text.encode()):
            return False
    numbers = (request.tokens_in, request.tokens_out)
    return (
        (request.text is None) != (request.exclusion is None)
        and all(number is None or 0 <= number <= MOST_TOKENS for number in numbers)
        and (request.cost is None or abs(request.cost) < float("inf"))
        and (request.time is None or request.time.tzinfo is UTC)
    )


@pytest.mark.parametrize("format", REQUIRED)
@ANYWHERE
@given(rows=ROWS)
def test_any_json_is_a_request_or_skipped_or_a_reject(
    tmp_path: Path, format: str, rows: list[object]
) -> None:
    filled = [{**REQUIRED[format], **row} if isinstance(row, dict) else row for row in rows]
    log = tmp_path / "log"
    log.write_bytes(lines([*rows, *filled, REQUIRED[format]]))
    requests, _ = read_all(log, format)
    assert all(is_sound(request) for request in requests)


@ANYWHERE
@given(
    records=st.lists(
        st.dictionaries(
            st.sampled_from([column for columns in COLUMNS.values() for column in columns]),
            st.text(max_size=8) | VALUES.map(lambda value: json.dumps(value)),
            min_size=1,
        ),
        min_size=1,
        max_size=4,
    ),
    delimiter=st.sampled_from(",;\t"),
)
def test_any_table_is_read(tmp_path: Path, records: list[dict[str, str]], delimiter: str) -> None:
    columns = sorted({column for record in records for column in record} | {"prompt"})
    clean = [{column: record.get(column, "") for column in columns} for record in records]
    for record in clean:
        for column, cell in record.items():
            record[column] = cell.encode("utf-8", "replace").decode()
    log = tmp_path / "log"
    log.write_bytes(table(clean, delimiter))
    requests, rejects = read_all(log, "csv")
    assert all(is_sound(request) for request in requests)
    assert len(requests) + len(rejects) == len(records)


NOISE = st.lists(
    st.binary(max_size=40)
    | st.sampled_from(
        [b'"', b'{"id":', b'"a","b', b"prompt,id", b"[", b"{", b"\0", b"\xff", b'"",']
    )
    | VALUES.map(lambda value: json.dumps(value).encode()),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("format", FORMATS)
@ANYWHERE
@given(noise=NOISE)
def test_any_bytes_are_rows_of_some_kind_or_one_sentence(
    tmp_path: Path, format: str, noise: list[bytes]
) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\n".join(noise))
    try:
        requests, _ = read_all(log, format)
    except InputError:
        return
    assert all(is_sound(request) for request in requests)


@ANYWHERE
@given(noise=NOISE)
def test_any_bytes_are_of_a_known_format_or_of_none(noise: list[bytes]) -> None:
    assert sniff(noise, fallback="none") in (*FORMATS, "none")
