"""Logs in zstd and in Parquet."""

from __future__ import annotations

import io
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from routectl.errors import InputError
from routectl.traffic import ImportCounts, open_source, read
from routectl.traffic.packed import parquet_lines

from .conftest import Read, payload
from .renderings import lines

ROWS = [payload(f"Hi {number}", id=f"chatcmpl-{number}") for number in range(300)]
TEXTS = [f"Hi {number}" for number in range(300)]


@pytest.mark.parametrize("frames", [1, 3])
def test_a_log_in_zstd_is_read_whatever_its_frames(tmp_path: Path, frames: int) -> None:
    size = len(ROWS) // frames
    parts = [lines(ROWS[at : at + size]) for at in range(0, len(ROWS), size)]
    log = tmp_path / "log.jsonl.zst"
    log.write_bytes(b"".join(zstandard.compress(part) for part in parts))
    assert Read(log, None, None).texts == TEXTS


@pytest.mark.parametrize("damage", ["ends in the middle", "is corrupt"])
def test_a_damaged_zstd_gives_its_whole_rows_and_then_the_damage(
    tmp_path: Path, damage: str
) -> None:
    whole = zstandard.compress(lines(ROWS))
    log = tmp_path / "log.zst"
    log.write_bytes(whole + (whole[:-100] if damage == "ends in the middle" else b"\xff" * 100))
    texts = []
    with open_source(str(log)) as source:
        requests = read(source, on_reject=print, counts=ImportCounts())
        with pytest.raises(InputError, match=f"zstd data {damage}"):
            texts.extend(request.text for request in requests)
    assert texts[:300] == TEXTS


def test_rows_of_a_parquet_file_are_read_as_the_objects_that_they_are(tmp_path: Path) -> None:
    time = datetime(2026, 1, 27, 7, 46, 40, tzinfo=UTC)
    log = tmp_path / "log.parquet"
    rows = [
        {
            "conversation_id": f"00000000-0000-4000-8000-{number:012}",
            "model": "gpt-4",
            "timestamp": time,
            "conversation": [{"role": "user", "content": text, "photo": None}],
        }
        for number, text in enumerate(TEXTS)
    ]
    pq.write_table(pa.Table.from_pylist(rows), log, row_group_size=64)
    result = Read(log, None, None)
    assert result.texts == TEXTS
    assert {request.time for request in result.requests} == {time}
    assert {request.source_kind for request in result.requests} == {"lmsys"}


def test_times_of_parquet_that_python_has_no_type_for_are_read_or_spoil_their_row_alone(
    tmp_path: Path,
) -> None:
    moment = 1_788_757_230_123_456_789
    columns = {
        "nanoseconds": pa.array([moment, moment], pa.timestamp("ns", "Europe/Berlin")),
        "no such zone": pa.array([moment // 1000] * 2, pa.timestamp("us", "No/Zone")),
        "infinity": pa.array([moment // 1000, 2**63 - 1], pa.timestamp("us", "UTC")),
    }
    for name, times in columns.items():
        log = tmp_path / f"{name}.parquet"
        others = pa.array([[{"took": 7}], []], pa.list_(pa.struct({"took": pa.duration("ns")})))
        pq.write_table(pa.table({"prompt": TEXTS[:2], "time": times, "spans": others}), log)
        result = Read(log, None, None)
        assert result.texts == TEXTS[:2], name
        read_times = [request.time for request in result.requests]
        expected = datetime(2026, 9, 7, 5, 0, 30, 123456, tzinfo=UTC)
        assert read_times == [expected, None if name == "infinity" else expected], name


@pytest.mark.parametrize("as_dictionary", [False, True])
def test_a_parquet_file_of_one_huge_prompt_repeated_is_read_a_few_rows_at_a_time(
    tmp_path: Path, as_dictionary: bool
) -> None:
    log = tmp_path / "log.parquet"
    prompts = pa.DictionaryArray.from_arrays([0] * 100, pa.array(["Hi " + "a" * 10**6]))
    pq.write_table(pa.table({"prompt": prompts}), log, store_schema=as_dictionary)
    assert log.stat().st_size < 10**5
    rows = parquet_lines(str(log), "log")
    tracemalloc.start()
    try:
        newlines = 0
        while chunk := rows.read(2**20):
            newlines += chunk.count(b"\n")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert newlines == 100
    assert peak < 8 * 10**7


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log.parquet"
    log.write_bytes(b"PAR1" + b"\0" * 100)
    with pytest.raises(InputError, match="damaged Parquet file"):
        open_source(str(log))


def test_parquet_on_standard_input_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"prompt": ["Hi"]}), buffer)
    buffer.seek(0)
    from routectl.traffic.source import Source

    with pytest.raises(InputError, match="is a Parquet file"):
        Source(buffer, name="standard input", identity="-")
