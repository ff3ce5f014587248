"""Bad input gets one sentence and the right exit code; nothing is lost and nothing is traced."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from routectl import documents
from tests.conftest import Result, Routectl, payload, write_log

CALIBRATE = ("calibrate", "-r", "random", "--strong-fraction", "0.3")


def one_sentence(result: Result, *words: str, code: int = 1) -> None:
    """The last line of stderr is the error, and there is no traceback anywhere."""
    assert result.code == code, result.err
    error = result.err.strip().splitlines()[-1]
    assert error.startswith("Error: ")
    assert "Traceback" not in result.err
    assert "in a way it should not" not in result.err
    for word in words:
        assert word in error


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


def make_binary(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40)


def make_other(path: Path) -> None:
    path.write_text('{"level": "info", "msg": "started"}\n' * 20)


def make_directory(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda path: None, "does not exist"),
        (make_empty, "empty"),
        (make_binary, "binary"),
        (make_other, "--format"),
        (make_directory, "is a directory"),
    ],
)
def test_a_file_that_is_no_log_is_refused_and_makes_no_database(
    routectl: Routectl,
    tmp_path: Path,
    database: Path,
    make: Callable[[Path], None],
    word: str,
) -> None:
    make(tmp_path / "log")
    one_sentence(routectl("import", tmp_path / "log"), word, str(tmp_path / "log"))
    assert not database.exists()


def test_a_truncated_gzip_keeps_what_could_be_read(routectl: Routectl, tmp_path: Path) -> None:
    lines = "".join(json.dumps(payload(n)) + "\n" for n in range(3000)).encode()
    packed = gzip.compress(lines)
    path = tmp_path / "log.gz"
    path.write_bytes(packed[: len(packed) // 2])
    result = routectl("import", path)
    one_sentence(result, "ends in the middle")
    rows = routectl("db", "status", "--json").json["rows"]["requests"]
    assert 500 < rows < 3000
    path.write_bytes(packed)
    assert routectl("import", path).code == 0
    assert routectl("db", "status", "--json").json["rows"]["requests"] == 3000


def test_a_log_of_redacted_prompts_names_the_setting(routectl: Routectl, tmp_path: Path) -> None:
    redacted = [{"role": "user", "content": "redacted-by-litellm"}]
    log = write_log(tmp_path / "log", [payload(n, messages=redacted) for n in range(10)])
    one_sentence(routectl("import", log), "turn_off_message_logging", "10 redacted")
    one_sentence(routectl(*CALIBRATE), "redacted")


def test_a_log_without_chat_requests_says_so(routectl: Routectl, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", [payload(n, call_type="aembedding") for n in range(10)])
    one_sentence(routectl("import", log), "aembedding")


def test_lines_that_cannot_be_read_are_counted_shown_and_kept(
    routectl: Routectl, tmp_path: Path
) -> None:
    log = write_log(tmp_path / "log", [payload(n) for n in range(20)])
    log.write_text(log.read_text() + '{"id": "cut off\n' + json.dumps(payload(99)) + "\n")
    result = routectl("import", log, "--rejects", tmp_path / "rejects", "--json")
    assert result.code == 0
    assert (result.json["rejected"], result.json["added"]) == (1, 21)
    assert f"{log} line 21" in result.err
    assert (tmp_path / "rejects").read_text() == '{"id": "cut off\n'
    assert (tmp_path / "rejects").stat().st_mode & 0o777 == 0o600


def test_rejects_never_overwrite_the_log(routectl: Routectl, log: Path) -> None:
    before = log.read_bytes()
    one_sentence(routectl("import", log, "--rejects", log), "overwrite", code=2)
    assert log.read_bytes() == before


@pytest.mark.parametrize("command", [CALIBRATE, ("export",), ("history",), ("activate",)])
def test_a_missing_database_says_where_it_looked(
    routectl: Routectl, database: Path, command: tuple[str, ...]
) -> None:
    one_sentence(routectl(*command), str(database), "routectl import")
    assert not database.exists()


def test_a_file_that_is_no_database_is_left_alone(routectl: Routectl, database: Path) -> None:
    database.write_text("my notes\n")
    one_sentence(routectl("history"), "not a SQLite database")
    assert database.read_text() == "my notes\n"


def test_a_locked_database_is_told_after_a_wait(
    routectl: Routectl, log: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    routectl("import", log)
    monkeypatch.setattr("routectl.store.engine.BUSY_TIMEOUT_SECONDS", 0.2)
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    one_sentence(routectl("activate", "--always-weak"), "locked by another process")
    other.execute("ROLLBACK")
    other.close()
    assert routectl("activate", "--always-weak").code == 0


def test_a_folder_that_does_not_exist_is_told(routectl: Routectl, tmp_path: Path) -> None:
    one_sentence(routectl("init", "--db", tmp_path / "no" / "x.db"), "folder does not exist")


@pytest.mark.parametrize("value", ["-1", "1.5", "abc", "nan", "30%", ""])
def test_a_strong_fraction_is_between_0_and_1(routectl: Routectl, log: Path, value: str) -> None:
    routectl("import", log)
    result = routectl("calibrate", "--strong-fraction", value, "-r", "random")
    one_sentence(result, "--strong-fraction", "write 30 % as 0.3", code=2)
    assert routectl("history", "--json").json["calibrations"] == []


def test_an_unknown_router_names_the_known_ones(routectl: Routectl, log: Path) -> None:
    routectl("import", log)
    one_sentence(routectl("score", "-r", "magic"), "'magic'", "mf, sw_ranking, bert, causal_llm")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "yesterday"), ("yesterday", "7d")),
        (("--where", "colour=red"), ("colour", "model_group")),
        (("--where", "model_group"), ("field=value",)),
        (("--since", "2026-10-02", "--until", "2026-10-01"), ("is not before",)),
    ],
)
def test_a_filter_that_cannot_be_read_says_how_to_write_it(
    routectl: Routectl, log: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    routectl("import", log)
    one_sentence(routectl(*CALIBRATE, *arguments), *words, code=2)


def test_a_population_without_requests_is_told(routectl: Routectl, log: Path) -> None:
    routectl("import", log)
    one_sentence(routectl(*CALIBRATE, "--where", "team=nobody"), "no request matches")


def test_a_database_without_traffic_is_told(routectl: Routectl) -> None:
    routectl("init")
    one_sentence(routectl(*CALIBRATE), "routectl import FILE")


def test_an_export_that_cannot_be_written_leaves_the_old_file(
    routectl: Routectl, log: Path, tmp_path: Path
) -> None:
    routectl("import", log)
    routectl(*CALIBRATE)
    routectl("activate", "--force")
    one_sentence(routectl("export", "-o", tmp_path / "no" / "file"), "cannot write")
    target = tmp_path / "routing.json"
    target.write_text("old")
    refused = routectl("export", "--format", "json", "-o", target)
    one_sentence(refused, "add --force", code=2)
    assert target.read_text() == "old"
    assert routectl("export", "--format", "json", "-o", target, "--force").code == 0
    assert routectl("export", "--format", "json", "-o", target).code == 0
    assert json.loads(target.read_text())["mode"] == "threshold"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_no_command_at_all_shows_the_help(routectl: Routectl) -> None:
    result = routectl()
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Usage: routectl")


def test_an_output_that_cannot_be_written_is_told(routectl: Routectl, database: Path) -> None:
    routectl("init")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "routectl", "history", "--db", str(database)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    one_sentence(Result(done.returncode, "", done.stderr), "No space left on device")


def test_an_output_that_nobody_reads_is_no_error(routectl: Routectl, database: Path) -> None:
    routectl("init")
    done = subprocess.run(
        f"{sys.executable} -m routectl history --db {database} | true",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Error" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["nonsense", "--nonsense"])
def test_an_unknown_command_or_option_is_a_usage_error(routectl: Routectl, command: str) -> None:
    one_sentence(routectl(command), command, code=2)


def test_no_error_repeats_a_prompt(routectl: Routectl, tmp_path: Path) -> None:
    secret = "my-password-is-hunter2"
    log = tmp_path / "log"
    log.write_text(json.dumps(payload(1, secret))[:-30] + "\n" + json.dumps(payload(2)) + "\n")
    result = routectl("import", log)
    assert result.code == 0
    assert "line 1" in result.err
    assert secret not in result.err + result.out


def test_what_was_imported_before_a_ctrl_c_is_kept_and_the_next_run_completes(
    tmp_path: Path, database: Path, routectl: Routectl
) -> None:
    log = write_log(tmp_path / "log", [payload(n) for n in range(6_000)])
    lines = log.read_bytes().splitlines(keepends=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "routectl", "import", "-", "--db", str(database)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell that runs its jobs in the background may have told us to ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdin is not None
    process.stdin.writelines(lines[:4_000])
    process.stdin.flush()
    while not imported(database) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert (process.returncode, err.splitlines()[-1]) == (
        1,
        b"Error: Interrupted; what was finished is kept.",
    )
    assert 0 < imported(database) < 6_000
    assert routectl("import", log, "--json").code == 0
    assert imported(database) == 6_000


def imported(database: Path) -> int:
    """Requests in a database that may be just being made."""
    try:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            return int(connection.execute("SELECT count(*) FROM requests").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


NAMED = (
    ("doctor", "--config"),
    ("doctor", "--routes"),
    ("decide", "--routes"),
    ("serve", "--port", "0", "--routes"),
    ("verify",),
)
"""Commands that read a small document, up to its path."""


@pytest.mark.parametrize("command", NAMED, ids=" ".join)
def test_a_document_that_never_ends_is_not_waited_for(
    routectl: Routectl, tmp_path: Path, command: tuple[str, ...]
) -> None:
    waiting, huge = tmp_path / "fifo", tmp_path / "huge"
    os.mkfifo(waiting)
    with huge.open("wb") as file:
        file.truncate(documents.LARGEST + 1)  # of no blocks
    for path, why in (
        (waiting, "it is no plain file"),
        (Path("/dev/zero"), "it is no plain file"),
        (huge, "it is larger than 16 MiB"),
    ):
        done = routectl(*command, path)
        assert why in " ".join((done.out + done.err).split())
        assert done.code in (1, 3)
