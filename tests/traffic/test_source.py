"""A log is a file or standard input, plain or packed, whole or damaged."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from routectl.errors import InputError
from routectl.traffic import open_source, splitting
from routectl.traffic.source import Source
from routectl.traffic.splitting import Cut


def lines_of(path: Path) -> list[bytes]:
    with open_source(str(path)) as opened:
        return list(opened.lines())


def test_only_the_line_end_is_taken_off(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b" a \t\r\n\r\n\nb\rc\r\r\nlast\r")
    assert lines_of(log) == [b" a \t\r", b"\r", b"", b"b\rc\r\r", b"last\r"]


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes("\ufefffirst\nsecond".encode())
    assert lines_of(log) == [b"first", b"second"]


def test_gzip_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    packed, plain = tmp_path / "log.txt", tmp_path / "plain.gz"
    packed.write_bytes(gzip.compress(b"a\n") + gzip.compress(b"b\n"))
    plain.write_bytes(b"a\nb\n")
    assert lines_of(packed) == lines_of(plain) == [b"a", b"b"]


def test_the_head_is_seen_without_being_consumed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\n \na\n\nb\n")
    with open_source(str(log)) as opened:
        assert opened.head() == opened.head() == [b"a", b"b"]
        assert list(opened.lines()) == [b"", b" ", b"a", b"", b"b"]


@pytest.mark.parametrize("packed", [False, True])
def test_progress_is_in_bytes_of_the_file(tmp_path: Path, packed: bool) -> None:
    data = random.Random(1).randbytes(3_000_000).replace(b"\0", b"\1")
    log = tmp_path / "log"
    log.write_bytes(gzip.compress(data, 1) if packed else data)
    with open_source(str(log)) as opened:
        seen = [opened.bytes_read for _ in opened.lines()]
        assert opened.size == log.stat().st_size == opened.bytes_read
    assert seen == sorted(seen)
    assert seen[0] < seen[len(seen) // 2] < seen[-1]


def test_packing_a_log_does_not_change_its_identity(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"a\n")
    (tmp_path / "log.gz").write_bytes(gzip.compress(b"a\n"))
    (tmp_path / "link").symlink_to(tmp_path / "log")
    identities = set()
    for name in ("log", "log.gz", "link"):
        with open_source(str(tmp_path / name)) as opened:
            identities.add(opened.identity)
    assert identities == {str((tmp_path / "log").resolve())}
    with open_source(str(tmp_path / "log"), identity="prod") as opened:
        assert opened.identity == "prod"


@pytest.mark.parametrize("kept", range(1, 400, 13))
def test_all_whole_lines_before_the_end_of_a_cut_gzip_are_read_and_then_it_is_told(
    tmp_path: Path, kept: int
) -> None:
    whole = b"".join(b"line %d\n" % number for number in range(200))
    packed = gzip.compress(whole)
    assert len(packed) > 400
    log = tmp_path / "cut.gz"
    log.write_bytes(packed[:kept] if kept > 1 else packed[:-1])
    found = []
    with open_source(str(log)) as opened, pytest.raises(InputError, match=r"ends in the middle"):
        found.extend(opened.lines())
    available = gzip_prefix(log.read_bytes())
    assert found == available.split(b"\n")[:-1]
    assert kept > 1 or len(found) == 200


def gzip_prefix(packed: bytes) -> bytes:
    """What the standard library unpacks of a cut file when asked byte by byte."""
    got = b""
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as unpacker:
        try:
            while byte := unpacker.read(1):
                got += byte
        except EOFError:
            pass
    return got


def test_corrupt_gzip_is_told_after_what_could_be_unpacked(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(random.Random(2).randbytes(200_000).hex().encode() + b"\n"))
    packed[len(packed) // 2] ^= 0xFF
    log = tmp_path / "log.gz"
    log.write_bytes(gzip.compress(b"first\n") + bytes(packed))
    found = []
    with open_source(str(log)) as opened, pytest.raises(InputError, match="gzip data is corrupt"):
        found.extend(opened.lines())
    assert found[0] == b"first"


REFUSED = {
    "empty": (b"", "is empty"),
    "empty gzip": (gzip.compress(b"", mtime=0), "is empty"),
    "png": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "binary"),
    "png in gzip": (gzip.compress(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), "binary"),
    "utf-16": ("prompt\n".encode("utf-16"), "UTF-16.*iconv -f UTF-16 "),
    "utf-32": ("prompt\n".encode("utf-32"), "UTF-32.*iconv -f UTF-32 "),
    "sqlite": (b"SQLite format 3\x00", "binary"),
    "bzip2": (bz2.compress(b"a\n"), "bzip2: unpack"),
    "zip": (b"PK\x03\x04\x14\x00", "zip: unpack"),
}


@pytest.mark.parametrize(("data", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_log_is_refused_in_one_sentence(
    tmp_path: Path, data: bytes, sentence: str
) -> None:
    log = tmp_path / "thing"
    log.write_bytes(data)
    with pytest.raises(InputError, match=sentence) as caught:
        open_source(str(log))
    assert str(log) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        open_source(str(tmp_path / "no"))
    with pytest.raises(InputError, match="is a directory"):
        open_source(str(tmp_path))
    with pytest.raises(InputError, match="cannot be opened"):
        open_source("a\0b")
    with pytest.raises(InputError, match="cannot be opened: File name too long"):
        open_source("x" * 5000)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"a\n")
    log.chmod(0)
    with pytest.raises(InputError, match="cannot be opened: Permission denied"):
        open_source(str(log))


@pytest.mark.parametrize("chunk", [1, 7, 999, 1000, 1001, 10_000])
def test_a_line_beyond_the_limit_is_passed_over_without_being_held(
    monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(splitting, "MAX_ROW", 1000)
    log = b"a\n" + b"x" * 11_001 + b"\n" + b"y" * 1000 + b"\n" + b"z" * 20_000 + b"\nb"
    chunks = [log[begin : begin + chunk] for begin in range(0, len(log), chunk)]
    found = [(line[:1], isinstance(line, Cut)) for line in splitting.lines(chunks)]
    assert found == [(b"a", False), (b"x", True), (b"y", False), (b"z", True), (b"b", False)]


STANDARD_INPUT = """
import sys
from routectl.traffic import open_source
with open_source("-") as opened:
    print(opened.name, opened.identity, opened.size, list(opened.lines()))
print(sys.stdin.closed)
"""


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input_is_read_from_a_pipe(packed: bool) -> None:
    data = gzip.compress(b"a\nb") if packed else b"a\nb"
    answer = subprocess.run(
        [sys.executable, "-c", STANDARD_INPUT], input=data, capture_output=True, check=True
    )
    assert answer.stdout.decode() == "standard input - None [b'a', b'b']\nFalse\n"


def test_a_closed_standard_input_is_told() -> None:
    code = STANDARD_INPUT.replace("import sys", "import sys\nsys.stdin = None", 1)
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert b"InputError: routectl" not in answer.stderr
    assert b"Standard input is closed" in answer.stderr


def test_a_source_of_any_stream_of_bytes_is_read() -> None:
    with Source(io.BytesIO(b"a\nb\n"), name="memory", identity="m") as opened:
        assert list(opened.lines()) == [b"a", b"b"]
