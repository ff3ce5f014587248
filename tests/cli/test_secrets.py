"""No error holds a prompt or a secret, whatever is damaged or misplaced."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from routectl.store.engine import Location
from tests.cli.test_bad_input import one_sentence
from tests.conftest import Routectl, payload, write_log

SECRET = "hunter2"
PROMPT = f"my password is {SECRET}, and my doctor says"
CALIBRATE = ("calibrate", "-r", "length", "--strong-fraction", "0.3")


@pytest.fixture
def filled(routectl: Routectl, tmp_path: Path, database: Path) -> Path:
    """A database whose prompts all hold the secret, with a calibration that runs."""
    records = [payload(n, f"{PROMPT} {n}") for n in range(40)]
    assert routectl("import", write_log(tmp_path / "log", records)).code == 0
    assert routectl("calibrate", "-r", "random", "--strong-fraction", "0.3").code in (0, 3)
    assert routectl("activate", "--force").code == 0
    return database


def change(database: Path, statement: str) -> None:
    """Change rows as a damaged disk would: no trigger and no check looks."""
    with sqlite3.connect(database) as connection:
        for (trigger,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(statement)
    connection.close()


DAMAGE = {
    "a prompt that is no UTF-8": (
        "UPDATE prompts SET text = CAST(CAST(text AS BLOB) || x'ff' AS TEXT)"
    ),
    "a prompt that is a blob": "UPDATE prompts SET text = CAST(text AS BLOB)",
    "a prompt in place of a weight": f"UPDATE requests SET weight = '{PROMPT}'",
    "a prompt in place of a time": f"UPDATE requests SET time = '{PROMPT}'",
    "a prompt in place of a score": f"UPDATE scores SET win_rate = '{PROMPT}'",
    "a prompt in place of a policy": f"UPDATE calibrations SET policy = '{PROMPT}'",
    "a policy with a prompt in it": (
        f"UPDATE calibrations SET policy = json_set(policy, '$.rule', '{PROMPT}')"
    ),
    "a policy with another key": (
        f"UPDATE calibrations SET policy = json_set(policy, '$.x', '{PROMPT}')"
    ),
    "a prompt in place of a creation": f"UPDATE calibrations SET created_at = '{PROMPT}'",
    "a prompt in place of a share": f"UPDATE calibrations SET strong_fraction = '{PROMPT}'",
    "a prompt in place of a mode": f"UPDATE activations SET policy = '{PROMPT}'",
    "a table that is gone": "ALTER TABLE scores RENAME TO lost",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_database_is_refused_or_read_and_never_quoted(
    routectl: Routectl, filled: Path, damage: str
) -> None:
    change(filled, DAMAGE[damage])
    codes = set()
    for command in (
        CALIBRATE,
        ("history",),
        ("export",),
        ("activate", "c1", "--force"),
        ("db", "status"),
    ):
        result = routectl(*command)
        codes.add(result.code)
        assert SECRET not in result.err, command
        assert "in a way it should not" not in result.err, (command, result.err)
        assert result.code in (0, 1, 3)
    assert 1 in codes


def test_a_threshold_that_two_places_state_differently_is_not_exported(
    routectl: Routectl, filled: Path
) -> None:
    change(filled, "UPDATE calibrations SET threshold = '0.99'")
    for arguments in (
        ("export", "--calibration", "c1"),
        ("activate", "c1", "--force"),
        ("export",),
    ):
        result = routectl(*arguments)
        assert (result.code, result.out) == (1, "")
        assert "contradicts itself, so the database is damaged" in result.err


def test_the_status_of_a_damaged_database_is_an_error_that_says_what_to_do(
    routectl: Routectl, filled: Path
) -> None:
    assert routectl("db", "status").code == 0
    with sqlite3.connect(filled) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page, size = connection.execute(
            "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_master "
            "WHERE name = 'battles'"
        ).fetchone()
    connection.close()
    with filled.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    result = routectl("db", "status")
    assert result.code == 1
    assert "is damaged: keep the file, restore a copy" in result.err


@pytest.mark.parametrize(
    ("table", "column", "command"),
    [
        ("calibrations", "route_id", ("history", "--json")),
        ("activations", "restores_id", ("rollback",)),
    ],
)
def test_a_reference_that_leads_nowhere_is_damage(
    routectl: Routectl, filled: Path, table: str, column: str, command: tuple[str, ...]
) -> None:
    for activated in (("--always-weak",), ("--always-strong",)):
        assert routectl("activate", *activated).code == 0
    assert routectl("rollback").code == 0
    with sqlite3.connect(filled) as connection:
        for (trigger,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute(f"UPDATE {table} SET {column} = 999 WHERE {column} IS NOT NULL")
    connection.close()
    result = routectl(*command)
    assert result.code == 1
    assert "is damaged: keep the file, restore a copy" in result.err


@pytest.mark.parametrize(
    ("url", "printed"),
    [
        (
            "postgresql://u:hunter2@db.example:5433/routectl",
            "postgresql://db.example:5433/routectl",
        ),
        ("postgresql://db.example/r?oauth_client_secret=hunter2", "postgresql://db.example/r"),
        ("postgresql://db.example/r?sslpassword=hunter2&user=x", "postgresql://db.example/r"),
        ("postgresql://hunter2@/r?host=/run/pg", "postgresql://%2Frun%2Fpg/r"),
        ("postgresql://u:x@hunter2@db.example/r", "postgresql://***/r"),
        ("postgresql://db.example/dbname=r password=hunter2", "postgresql://db.example/***"),
    ],
)
def test_of_a_database_url_only_host_port_and_name_are_printed(url: str, printed: str) -> None:
    assert str(Location.parse(url)) == printed


def test_a_url_where_another_argument_should_stand_is_printed_without_its_secrets(
    routectl: Routectl,
) -> None:
    result = routectl("history", f"postgresql://user:{SECRET}@db.example/r?password={SECRET}")
    assert result.code == 2
    assert SECRET not in result.err
    assert "db.example/r" in result.err


def headerless_csv(path: Path) -> None:
    path.write_text(f'"{PROMPT}","another {PROMPT}"\n' * 3)


def json_keys(path: Path) -> None:
    path.write_text(json.dumps({PROMPT: 1, f"b {PROMPT}": 2}) + "\n")


def half_a_line(path: Path) -> None:
    path.write_text(json.dumps(payload(1, PROMPT))[:-20] + "\n" + f'{{"a": {PROMPT}}}\n')


def a_literal(path: Path) -> None:
    path.write_text(f"{{'messages': [{{'role': 'user', 'content': '{PROMPT}'}}, }}\n" * 2)


def no_parquet(path: Path) -> None:
    path.write_bytes(b"PAR1" + PROMPT.encode() * 20 + b"\x10\0\0\0PAR1")


def no_gzip(path: Path) -> None:
    path.write_bytes(b"\x1f\x8b\x08\0" + PROMPT.encode() * 20)


COMMANDS: tuple[tuple[str, ...], ...] = (
    ("import", "{file}"),
    ("import", "{file}", "--format", "csv"),
    ("import", "{file}", "--format", "litellm"),
    ("import", "{file}", "--map", "prompt=a.b"),
    ("battles", "import", "{file}"),
    ("battles", "contamination", "{file}", "--against", "{file}"),
    ("evaluate", "--benchmark", "{file}", "-r", "length"),
    ("train", "length", "--battles", "{file}", "-o", "{file}.out"),
    ("train", "length", "--gold", "{file}", "--where", "x=y", "-o", "{file}.out"),
    ("routers", "show", "mf={file}"),
    ("history", "--db", "{file}"),
)


@pytest.mark.parametrize(
    "write", [headerless_csv, json_keys, half_a_line, a_literal, no_parquet, no_gzip]
)
def test_a_file_that_is_not_what_it_was_taken_for_is_not_quoted(
    routectl: Routectl, tmp_path: Path, write: Callable[[Path], None]
) -> None:
    routectl("init")
    file = tmp_path / "file"
    write(file)
    for command in COMMANDS:
        result = routectl(*(part.format(file=file) for part in command))
        assert SECRET not in result.err, (command, result.err)
        assert "in a way it should not" not in result.err, (command, result.err)


FAILING = """
import sys, threading
from routectl import __main__
from routectl.cli import app
def fail(*_):
    raise KeyError("hunter2")
def fail_in_a_command(*_, **__):
    fail()
app.routectl.main = fail_in_a_command if sys.argv.pop() == "command" else (
    lambda *a, **k: [t := threading.Thread(target=fail), t.start(), t.join()] and 0
)
__main__.main()
"""


@pytest.mark.parametrize("where", ["command", "thread"])
@pytest.mark.parametrize("asked", ["", "1"])
def test_an_error_that_nobody_foresaw_is_told_by_its_place_and_not_by_its_message(
    where: str, asked: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAILING, "history", where],
        env={"ROUTECTL_TRACEBACK": asked, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "failed in a way it should not (KeyError at" in done.stderr
    assert SECRET not in done.stderr
    assert ("in fail" in done.stderr) == bool(asked)


def test_a_warning_of_a_library_quotes_no_cell_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(f"prompt,messages\n,\"[{{'role':'user','content':'{SECRET}','n':1or 2}}]\"\n")
    command = [sys.executable, "-m", "routectl", "import", log, "--db", tmp_path / "r.db"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Warning" not in done.stderr
    assert SECRET not in done.stderr


@pytest.mark.parametrize(
    ("statement", "command"),
    [
        ("UPDATE calibrations SET target = -1", "history"),
        ("UPDATE calibrations SET target = '[]'", "history"),
        ("UPDATE calibrations SET population = '\"x\"'", "history"),
        ("UPDATE calibrations SET requests = 'null'", "history"),
        ("UPDATE calibrations SET strong_fraction = 9e999", "history"),
        ("UPDATE requests SET weight = 9e999", "traffic"),
    ],
)
def test_a_value_that_was_never_stored_is_called_damaged(
    routectl: Routectl, tmp_path: Path, database: Path, statement: str, command: str
) -> None:
    routectl("import", write_log(tmp_path / "log.jsonl", [payload(n) for n in range(50)]))
    routectl("calibrate", "-r", "length", "--strong-fraction", "0.3")
    with sqlite3.connect(database) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(statement)
    connection.close()
    one_sentence(routectl(command), "damaged", code=1)
