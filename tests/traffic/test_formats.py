"""Formats are told by content, and a bad row never stops an import."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from routectl.errors import InputError, UsageError
from routectl.traffic import FORMATS, ImportCounts, open_source, read, sniff

from .conftest import Read, ReadLog, payload

BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


SNIFFED = {
    "payloads": ([encoded(payload())], "litellm"),
    "payloads between noise": ([b"INFO: started", encoded(payload()), b"INFO: done"], "litellm"),
    "bodies": ([encoded(BODY)] * 3, "openai"),
    "a broken first line": ([b'e": "gpt-4o"}', encoded(BODY)], "openai"),
    "prompts": ([b"What is up?", b"{", b"Explain [1]"], "text"),
    "prompts of which some are JSON": ([b"Fix this:", b'{"a": 1}', b"and this"], "text"),
    "a single word": ([b"Hi"], "text"),
    "strings": ([b'"Hi"', b'"you"'], "json-strings"),
    "right to left": (["ما هي عاصمة مصر؟".encode()], "text"),
}


@pytest.mark.parametrize(("head", "expected"), SNIFFED.values(), ids=SNIFFED.keys())
def test_a_format_is_told_by_its_content(head: list[bytes], expected: str) -> None:
    assert sniff(head) == expected


UNKNOWN = {
    "other JSON": [b'{"event": "start"}', b'{"event": "stop"}'],
    "a table of numbers": [b"1,2,3,4,5", b"1,2,3,4,5", b"2,3,4,5,6"],
    "xml": [b'<?xml version="1.0"?>', b"<a/>"],
    "a page": [b"<!DOCTYPE html>", b"<p>"],
    "latin-1": [b"\xfcber"],
    "an array of other things": [b"[", b"1,", b"2", b"]"],
    "an object over lines": [b"{", b'"a": 1', b"}"],
}


@pytest.mark.parametrize("head", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_an_unknown_format_is_answered_with_the_known_ones(head: list[bytes]) -> None:
    with pytest.raises(InputError) as caught:
        sniff(head, name="that.log")
    assert str(caught.value).startswith("that.log is of no known format")
    assert all(name in str(caught.value) for name in (*FORMATS, "--format"))


NO_TEXT = {
    "tabs": [b"name\tcity", b"kim\tOslo", b"lee\tRome"],
    "semicolons": [b"kim;Oslo", b"lee;Rome", b"ann;Bern"],
    "bars": [b"| a | b |", b"|---|---|", b"| 1 | 2 |"],
    "Excel's line": [b"sep=;", b"a;b"],
    "users": [b"root:x:0:0:root:/root:/bin/sh", b"bin:x:1:1:bin:/bin:/sbin/nologin"] * 2,
    "an access log": [b'10.0.0.5 - - [27/Jan/2026:07:46:40 +0000] "GET / HTTP/1.1" 200 5'],
    "a log": [b"2026-01-27 07:46:40,250 INFO started", b"2026-01-27 07:46:41,250 INFO done"],
    "levels": [b"INFO 01-27 07:46:40 [logger.py:42] Received", b"INFO:     10.0.0.5 - GET"],
    "syslog": [b"Jan 27 07:46:40 host sshd[1]: closed", b"Jan 27 07:46:41 host sshd[1]: closed"],
    "logfmt": [b"ts=2026-01-27T07:46:40Z level=info msg=started"],
    "a script": [b"#!/bin/sh", b"echo Hi"],
    "a key": [b"-----BEGIN CERTIFICATE-----", b"MIIB"],
}


@pytest.mark.parametrize("head", NO_TEXT.values(), ids=NO_TEXT.keys())
def test_what_is_structured_is_no_plain_text(head: list[bytes]) -> None:
    with pytest.raises(InputError):
        sniff(head, name="that.log")


def test_a_table_without_prompts_is_told_with_its_columns() -> None:
    with pytest.raises(InputError, match=r"its columns are id, price, model.*--map prompt=COLUMN"):
        sniff([b"id,price,model", b"1,2,gpt-4o"])


@pytest.mark.parametrize(
    "line",
    [
        {"id": "b1", "custom_id": "r-1", "response": {"status_code": 200}, "error": None},
        {"custom_id": "r-1", "result": {"type": "succeeded", "message": {}}},
    ],
)
def test_the_output_of_a_batch_is_told_apart_from_its_input(line: dict[str, object]) -> None:
    with pytest.raises(InputError, match="give the input file"):
        sniff([encoded(line)] * 2)


def test_an_unknown_format_name_is_refused_at_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"Hi\n")
    with open_source(str(log)) as source, pytest.raises(UsageError, match=", ".join(FORMATS)):
        read(source, format="yaml", on_reject=print, counts=ImportCounts())


def test_a_blank_file_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\n \n\t\n")
    with pytest.raises(InputError, match="nothing that could be read"):
        Read(log, None, None)


BAD_ROWS = {
    "half an object": (b'{"id": "1", "call_type": ', "not JSON"),
    "noise": (b"INFO: 200 OK", "not JSON: Expecting value at column 1"),
    "not UTF-8": (b'{"id": "\xfc"}', "not JSON: it is not UTF-8"),
    "NUL": (b"\0\0", "not JSON"),
    "nested": (b"[" * 200_000, "not JSON: it is nested too deeply"),
    "nested and whole": (b"[" * 200_000 + b"]" * 200_000, "nested too deeply"),
    "digits": (b'{"id": ' + b"9" * 5000 + b"}", "too many digits"),
    "another value": (b"[1, 2]", "not a StandardLoggingPayload"),
}


@pytest.mark.parametrize(("raw", "reason"), BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_a_bad_row_is_reported_with_its_number_and_reason_and_stops_nothing(
    read_log: ReadLog, raw: bytes, reason: str
) -> None:
    # The padding is there because a NUL near the beginning makes a file binary.
    found = read_log([payload("Hi", pad="x" * 8000), b"", raw, payload("you")])
    assert found.texts == ["Hi", "you"]
    (reject,) = found.rejects
    assert (reject.line, reject.raw) == (3, raw)
    assert reason in reject.reason
    assert (found.counts.rows, found.counts.rejected) == (3, 1)


def test_no_reason_holds_a_prompt(read_log: ReadLog) -> None:
    found = read_log([payload(), b'{"messages": "my secret" oops', b'"my secret'])
    assert not any("secret" in reject.reason for reject in found.rejects)


def test_what_only_the_standard_library_parses_is_read(read_log: ReadLog) -> None:
    raw = json.dumps(payload("PROMPT")).replace("PROMPT", r"a\ud83d\ude00b\ud83dc").encode()
    assert read_log([raw]).texts == ["a\U0001f600b\ufffdc"]


def test_a_file_read_as_the_wrong_format_is_told(read_log: ReadLog) -> None:
    with pytest.raises(
        InputError, match=r"No row .* as litellm .* number 1, is not JSON.*--format"
    ):
        read_log([b"Hi", b"you"], format="litellm")


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("many", [False, True])
def test_json_that_spans_lines_is_read_as_its_objects(
    tmp_path: Path, indent: int | None, many: bool
) -> None:
    tricky = [payload(text, id=text) for text in ('a}{"\\', "[b]\n}", 'c\\\\"{')]
    log = tmp_path / "log.json"
    log.write_text(json.dumps(tricky if many else tricky[0], indent=indent))
    found = Read(log, None, None)
    assert found.texts == [line["id"] for line in tricky][: 3 if many else 1]
    assert (found.counts.rows, found.rejects) == (len(found.texts), [])


def test_objects_one_after_another_over_lines_are_read(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    log.write_text("\n".join(json.dumps(payload(text), indent=2) for text in ("Hi", "you")))
    assert Read(log, None, None).texts == ["Hi", "you"]


def test_an_array_with_an_object_on_each_line_is_read(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    log.write_text("[\n" + ",\n".join(json.dumps(payload(t)) for t in ("Hi", "you")) + "\n]\n")
    assert Read(log, None, None).texts == ["Hi", "you"]


def test_an_object_that_does_not_end_is_a_reject(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    log.write_text("[\n" + json.dumps(payload()) + ',\n{"id": "2",\n')
    found = Read(log, None, None)
    assert found.texts == ["Hi"]
    assert [(reject.line, reject.reason) for reject in found.rejects] == [
        (2, "an object that does not end, or is longer than 64 MiB")
    ]


def test_equal_objects_of_one_array_are_two_requests(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    log.write_text(json.dumps([BODY, BODY]))
    assert len({request.source_id for request in Read(log, None, None).requests}) == 2


def test_a_cut_gzip_gives_its_whole_rows_and_then_the_damage(tmp_path: Path) -> None:
    log = tmp_path / "log.gz"
    rows = b"".join(encoded(payload(str(number), id=str(number))) + b"\n" for number in range(2000))
    log.write_bytes(gzip.compress(rows)[:-2000])
    texts = []
    with open_source(str(log)) as source:
        requests = read(source, on_reject=print, counts=ImportCounts())
        with pytest.raises(InputError, match="ends in the middle"):
            texts.extend(request.text for request in requests)
    assert texts == [str(number) for number in range(len(texts))]
    assert 500 < len(texts) < 2000


MEMORY = """
import sys
from routectl.records import Population
from routectl.traffic import ImportCounts, open_source, read, take
counts = ImportCounts()
with open_source("-") as source:
    requests = read(source, on_reject=lambda reject: None, counts=counts)
    size = int(sys.argv[1]) or None
    for request in take(requests, population=Population(), counts=counts, sample_size=size):
        pass
peak = open("/proc/self/status").read().split("VmHWM:")[1].split()[0]
print(counts.seen, int(peak) // 1024)
"""


@pytest.mark.parametrize("sample_size", [0, 100])
def test_memory_does_not_grow_with_the_log(sample_size: int) -> None:
    """Ten times the log, to within 8 MiB the same memory: 5 and 50 MB of prompts."""
    peaks = []
    for rows in (1000, 10_000):
        command = [sys.executable, "-c", MEMORY, str(sample_size)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
            assert reader.stdin is not None
            assert reader.stdout is not None
            for number in range(rows):
                own = {"id": str(number), "litellm_call_id": str(number), "trace_id": None}
                line = encoded(payload(f"{number} " * 900, **own))
                reader.stdin.write(line + b"\n" if number % 10 else b"broken\n")
            reader.stdin.close()
            seen, peak = map(int, reader.stdout.read().split())
        assert seen == rows * 9 // 10
        peaks.append(peak)
    assert peaks[1] < peaks[0] + 8
