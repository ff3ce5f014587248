"""A known row inside something else, and rows that do not keep to lines."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from .conftest import Read, payload

Row = dict[str, Any]
LONG = "x" * 40_000
"""Longer than what log drivers keep of a line in one piece."""


DOCKER = {"log": '{"prompt": "Why?"}\n', "stream": "stdout", "time": "2026-01-02T03:04:05.5Z"}


def rows() -> list[Row]:
    return [payload(text, id=text) for text in ("one", "two")]


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def each_line(wrap: Callable[[str], object]) -> bytes:
    """Each row as JSON text, in something else."""
    wrapped = (wrap(json.dumps(row)) for row in rows())
    lines = (line if isinstance(line, str) else compact(line) for line in wrapped)
    return "".join(f"{line}\n" for line in lines).encode()


ENVELOPES: dict[str, bytes] = {
    "a page": json.dumps({"data": rows(), "total": 2, "page": 1}).encode(),
    "a search of Elasticsearch": json.dumps(
        {"took": 1, "hits": {"total": {"value": 2}, "hits": [{"_source": row} for row in rows()]}}
    ).encode(),
    "documents of Elasticsearch": each_line(lambda row: {"_id": "1", "_source": json.loads(row)}),
    "DataDog's agent": each_line(lambda row: {"ddsource": "litellm", "message": row}),
    "DataDog's API": json.dumps(
        {"data": [{"type": "log", "attributes": {"message": json.dumps(row)}} for row in rows()]}
    ).encode(),
    "Google Cloud Logging": each_line(
        lambda row: {"insertId": "1", "jsonPayload": json.loads(row)}
    ),
    "CloudWatch Logs": json.dumps(
        {"events": [{"timestamp": 1, "message": json.dumps(row)} for row in rows()]}
    ).encode(),
    "journald": each_line(lambda row: {"MESSAGE": f"INFO: {row}", "_PID": "1"}),
    "Loki": each_line(lambda row: {"labels": {}, "line": row}),
    "a callback's arguments": each_line(
        lambda row: {"kwargs": {"model": "m", "standard_logging_object": json.loads(row)}}
    ),
    "Docker": each_line(lambda row: {"log": f"{row}\n", "stream": "stdout", "time": "t"}),
    "CRI": each_line(lambda row: f"2026-01-27T07:46:40.250Z stdout F {row}"),
    "kubectl": each_line(lambda row: f"[pod/proxy-1/main] {row}"),
    "Docker Compose": each_line(lambda row: f"proxy-1  | {row}"),
    "syslog": each_line(lambda row: f"Jan 27 07:46:40 host proxy[12]: {row}"),
    "nothing between": b"".join(json.dumps(row).encode() for row in rows()),
    "blanks between": b"  ".join(json.dumps(row).encode() for row in rows()),
    "two on one line of several": b"\n".join(
        [b"".join(json.dumps(row).encode() for row in rows()), b""]
    ),
    "record separators": b"".join(b"\x1e" + json.dumps(row).encode() + b"\n" for row in rows()),
    "byte-order marks": b"\n".join(b"\xef\xbb\xbf" + json.dumps(row).encode() for row in rows()),
    "carriage returns": b"\r".join(json.dumps(row).encode() for row in rows()),
    "both line ends": b"\r\n".join(json.dumps(row).encode() for row in rows()),
    "gzip members": b"".join(gzip.compress(json.dumps(row).encode()) for row in rows()),
}


@pytest.mark.parametrize("log", ENVELOPES.values(), ids=ENVELOPES.keys())
def test_rows_are_read_whatever_is_around_them(tmp_path: Path, log: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(log)
    result = Read(path, None, None)
    assert [request.source_id for request in result.requests] == ["one", "two"]
    assert result.texts == ["one", "two"]
    assert result.rejects == []
    assert {request.source_kind for request in result.requests} == {"litellm"}


def test_a_line_that_docker_cut_is_whole_again(tmp_path: Path) -> None:
    row = json.dumps(payload(LONG)) + "\n"
    pieces = [row[at : at + 16_384] for at in range(0, len(row), 16_384)]
    log = tmp_path / "log"
    entries = ({"log": piece, "stream": "stdout", "time": "t"} for piece in [*pieces, "INFO\n"])
    log.write_text("".join(f"{compact(entry)}\n" for entry in entries))
    result = Read(log, None, None)
    assert result.texts == [LONG]
    assert [reject.line for reject in result.rejects] == [len(pieces) + 1]


def test_a_line_that_a_container_runtime_cut_is_whole_again(tmp_path: Path) -> None:
    row = json.dumps(payload(LONG))
    pieces = [row[at : at + 16_384] for at in range(0, len(row), 16_384)]
    tags = ["P"] * (len(pieces) - 1) + ["F"]
    log = tmp_path / "log"
    log.write_text(
        "".join(
            f"2026-01-27T07:46:40.25Z stdout {tag} {piece}\n"
            for tag, piece in zip(tags, pieces, strict=True)
        )
    )
    assert Read(log, None, None).texts == [LONG]


def test_what_is_no_row_of_a_page_is_counted(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(json.dumps({"data": [*rows(), {"event": "start"}, "noise"]}))
    result = Read(log, None, None)
    assert result.texts == ["one", "two"]
    assert len(result.rejects) == 2


def test_a_row_that_is_cut_behind_a_whole_one_costs_itself_alone(tmp_path: Path) -> None:
    one, two = (json.dumps(row).encode() for row in rows())
    log = tmp_path / "log"
    log.write_bytes(one + two[:100] + b"\n" + two + b"\n")
    result = Read(log, None, None)
    assert result.texts == ["one", "two"]
    assert [reject.line for reject in result.rejects] == [1]


@pytest.mark.parametrize(
    "broken", [b'"id": "1", "call_type": "x", "metadata": {"a": {}}}', b"{} x"]
)
def test_no_part_of_a_broken_row_is_taken_for_a_row(tmp_path: Path, broken: bytes) -> None:
    log = tmp_path / "log"
    log.write_bytes(json.dumps(payload()).encode() + b"\n" + broken + b"\n")
    result = Read(log, None, None)
    assert result.texts == ["Hi"]
    assert [reject.raw for reject in result.rejects] == [broken]


@pytest.mark.parametrize(
    "line",
    [
        compact(DOCKER).encode(),
        json.dumps(DOCKER).encode(),
        b'2026-01-02T03:04:05.500000000Z stdout F {"prompt": "Why?"}',
    ],
    ids=["Docker", "Docker, reformatted", "CRI"],
)
def test_a_row_without_a_time_has_that_of_its_log_driver(tmp_path: Path, line: bytes) -> None:
    log = tmp_path / "container.log"
    log.write_bytes(line + b"\n")
    (request,) = Read(log, None, None).requests
    assert request.text == "Why?"
    assert request.time == datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)


def test_the_time_of_a_row_goes_before_that_of_its_log_driver(tmp_path: Path) -> None:
    log = tmp_path / "container.log"
    log.write_bytes(
        b'2026-01-02T03:04:05Z stdout F {"prompt": "Why?", "time": "2026-01-01T00:00:00Z"}\n'
    )
    (request,) = Read(log, None, None).requests
    assert request.time == datetime(2026, 1, 1, tzinfo=UTC)
