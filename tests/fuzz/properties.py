"""What holds of any input: a documented error or sound rows, and the right answer or a refusal.

Each property draws its input and checks it. The tests draw the same few examples each time, and
`benchmarks/hostile.py` others for as long as it is asked to.
"""

from __future__ import annotations

import copy
import json
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import UTC, datetime
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from routectl.cli.app import run
from routectl.errors import RoutectlError
from routectl.evaluation.reading import read_benchmark
from routectl.extraction import VERSIONS, extract
from routectl.judging.prompts import read_prompts
from routectl.preferences.battles import read_battles
from routectl.preferences.comparisons import read_comparisons
from routectl.preferences.gold import read_gold
from routectl.routers import open_router
from routectl.traffic import FORMATS, parse_condition, parse_time
from routectl.traffic.paths import Paths
from routectl.traffic.rows import RowError
from routectl.traffic.times import instant
from tests.conftest import payload, write_log
from tests.hostile_text import SECRET
from tests.routers.checkpoints import write_mf
from tests.traffic.renderings import RENDERINGS, asked
from tests.traffic.test_bad_input import VALUES, is_sound, read_all

Draw = Callable[[st.SearchStrategy[Any]], Any]

NOW = datetime(2026, 10, 1, tzinfo=UTC)

DEEP = "[" * 5_000 + "]" * 5_000
ODD: list[object] = [
    None,
    True,
    0,
    -1,
    2**63 - 1,
    2**63,
    -(10**40),
    1e308,
    "",
    " ",
    "\0",
    "\ud83d",
    "\x1b]0;x\x07",
    "{}",
    '{"a":',
    "nan",
    "1e999",
    "9" * 400,
    DEEP,
    [],
    [[]],
    {},
    {"": {}},
    {"role": "user", "content": [{"type": "text"}]},
    [{"role": "user", "content": None}],
]
"""Values that a field should not have, and that some reader once failed on."""
ODD_BYTES = [
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\xbd",
    b"\r",
    b"\n\n",
    b'"',
    b"'",
    b",",
    b"{",
    b"}",
    b"[",
    b"\\",
    b"\\ud83d",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 400,
    DEEP.encode(),
    b'{"a":' * 5_000,
    b"\x1f\x8b\x08",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
]


@cache
def logs() -> list[bytes]:
    """A small log of every format."""
    requests = asked(4, line_breaks=False)
    return [rendering.write(requests) for rendering in RENDERINGS.values()]


@cache
def tables() -> list[bytes]:
    """Small tables of every shape that training, evaluation and judging read."""
    battle = {"prompt": "why?", "model_a": "a", "model_b": "b", "winner": "tie", "id": "1"}
    arena = {
        "prompt": '["why?"]',
        "model_a": "a",
        "model_b": "b",
        "winner_model_a": 1,
        "winner_model_b": 0,
        "winner_tie": 0,
    }
    alpaca = {
        "instruction": "why?",
        "output_1": "x",
        "output_2": "y",
        "preference": 1.4,
        "generator_1": "a",
        "generator_2": "b",
        "annotator": "gpt",
    }
    gold = {"prompt": "why?", "a": 1, "b": 0.5, "cost:a": 0.01, "category": "c"}
    scores = {"question": "why?", "options": ["x", "y"], "scores": {"a": 1, "b": 0}, "costs": {}}
    turns = {"turns": ["why?", "how?"], "scores": {"a": {"1": 5, "2": 6}, "b": {"1": 1}}}
    rows = [battle, arena, alpaca, gold, scores, turns]
    lines = [b"".join(json.dumps({**r, "n": n}).encode() + b"\n" for n in range(3)) for r in rows]
    csvs = [
        (",".join(row) + "\n" + ",".join(json.dumps(str(v)) for v in row.values()) + "\n").encode()
        for row in (battle, arena, alpaca, gold)
    ]
    return [*lines, *csvs, json.dumps([gold, gold]).encode(), b"why?\nhow?\n"]


def changed(draw: Draw, seed: bytes) -> bytes:
    """A file with some of it changed: values of a row, a few bytes, or whole lines."""
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["value", "value", "value", "insert", "cut", "flip", "line"]))
        at = draw(st.integers(0, len(seed)))
        if kind == "value":
            seed = _with_odd_value(draw, seed)
        elif kind == "insert":
            seed = seed[:at] + draw(st.sampled_from(ODD_BYTES) | st.binary(max_size=8)) + seed[at:]
        elif kind == "cut":
            seed = seed[:at] + seed[at + draw(st.integers(1, 200)) :]
        elif kind == "flip" and at < len(seed):
            seed = seed[:at] + bytes([seed[at] ^ 1 << draw(st.integers(0, 7))]) + seed[at + 1 :]
        elif kind == "line":
            lines = seed.splitlines(keepends=True)
            if lines:
                lines.insert(at % len(lines), lines[-1 - at % len(lines)])
            seed = b"".join(lines)
    return seed


def _with_odd_value(draw: Draw, seed: bytes) -> bytes:
    lines = seed.splitlines(keepends=True)
    if not lines:
        return seed
    number = draw(st.integers(0, len(lines) - 1))
    try:
        value = json.loads(lines[number])
    except (ValueError, RecursionError):
        return seed
    places = list(_places(value))
    if not places:
        return seed
    container, key = draw(st.sampled_from(places))
    odd = draw(st.sampled_from(ODD) | VALUES)
    if draw(st.integers(0, 5)) == 0 and isinstance(container, dict):
        del container[key]
    else:
        container[key] = copy.deepcopy(odd)
    lines[number] = json.dumps(value).encode() + b"\n"
    return b"".join(lines)


def _places(value: object, depth: int = 0) -> Iterator[tuple[Any, Any]]:
    if depth > 12:
        return
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in inside:
        yield value, key
        yield from _places(inner, depth + 1)


@contextmanager
def a_file(content: bytes, name: str = "input") -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path


def any_log_is_read_or_refused(draw: Draw) -> None:
    format = draw(st.none() | st.sampled_from(list(FORMATS)))
    with a_file(changed(draw, draw(st.sampled_from(logs())))) as path:
        try:
            requests, rejects = read_all(path, format)
        except RoutectlError:
            return
    assert all(is_sound(request) for request in requests)
    assert all(reject.reason for reject in rejects)


def any_value_has_a_text_or_none(draw: Draw) -> None:
    value = draw(VALUES | st.sampled_from(ODD))
    value = draw(
        st.sampled_from([value, {"messages": value}, {"input": value}, {"contents": value}])
    )
    for version in VERSIONS:
        text = extract(copy.deepcopy(value), version)
        assert text is None or (text.strip() and text.encode() and "\0" not in text)


TABLE_READERS: dict[str, Callable[[Path], object]] = {
    "battles": lambda path: list(read_battles(path)),
    "gold": lambda path: list(read_gold(path)),
    "benchmark": read_benchmark,
    "prompts": lambda path: read_prompts([path]),
    "comparisons": lambda path: read_comparisons([path], []),
}


def any_table_is_read_or_refused(draw: Draw) -> None:
    read = TABLE_READERS[draw(st.sampled_from(sorted(TABLE_READERS)))]
    content = changed(draw, draw(st.sampled_from(tables())))
    with a_file(content, "table.csv") as path, suppress(RoutectlError):
        read(path)


WORDS = st.text(max_size=30) | st.from_regex(r"[-+0-9TZ:. /eE]{1,30}") | st.sampled_from(
    ["7d", "0d", "9" * 400 + "d", "-1h", "2026-13-45", "0000-00-00", "team=", "team!=x", "=", "a.b"]
)  # fmt: skip


def any_option_is_read_or_refused(draw: Draw) -> None:
    written = draw(WORDS)
    for read in (
        lambda text: parse_time(text, now=NOW),
        parse_condition,
        lambda text: Paths([f"prompt={text}"]).values({"a": {"b": [1, "x"]}}),
    ):
        # A path that does not fit a row is a reject.
        with suppress(RoutectlError, RowError):
            read(written)
    time = instant(draw(VALUES | WORDS))
    assert time is None or time.tzinfo is not None


ANSWERS: tuple[tuple[str, ...], ...] = (
    ("export", "--format", "json"),
    ("export", "--calibration", "c1"),
    ("calibrate", "-r", "random", "--strong-fraction", "0.3", "--json"),
    ("history", "--json"),
    ("db", "status", "--json"),
)
"""Commands whose answers on a damaged database are compared with those of the whole one."""

STATED = {
    "export": ("config_string", "fingerprint", "mode", "threshold"),
    "calibrate": ("config_string", "threshold", "strong_fraction", "requests", "rows_digest"),
}
"""Of an answer, what nobody would see to be wrong."""


def answer(database: Path, command: tuple[str, ...]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command on a database."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([*command, "--db", str(database)])
    return code, out.getvalue(), err.getvalue()


@cache
def sound_database() -> tuple[bytes, dict[tuple[str, ...], tuple[int, str, str]]]:
    """A small database, with a page of 16 KB for each few rows, and what commands answer on it."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "routectl.db"
        records = [payload(n, f"{SECRET} {n} {'why? ' * (n % 40)}") for n in range(400)]
        log = write_log(Path(folder) / "log", records)
        for command in (
            ("import", str(log)),
            ("calibrate", "-r", "random", "--strong-fraction", "0.3"),
            ("activate", "--force", "--note", "because"),
        ):
            assert answer(database, command)[0] == 0
        with sqlite3.connect(database) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        content = database.read_bytes()
        whole = {command: answer(database, command) for command in ANSWERS}
    return content, whole


def damaged(draw: Draw, content: bytes) -> bytes:
    """A database file with damage of a kind that disks and copies do."""
    size = 256 * content[16] + content[17]
    pages = len(content) // size
    page = draw(st.integers(0, pages - 1)) * size
    other = draw(st.integers(0, pages - 1)) * size
    kind = draw(st.sampled_from(["zeros", "noise", "swap", "copy", "cut", "header"]))
    match kind:
        case "zeros":
            return content[:page] + bytes(size) + content[page + size :]
        case "noise":
            noise = random.Random(draw(st.integers(0, 2**32))).randbytes(size)
            return content[:page] + noise + content[page + size :]
        case "swap" | "copy":
            moved = bytearray(content)
            moved[page : page + size] = content[other : other + size]
            if kind == "swap":
                moved[other : other + size] = content[page : page + size]
            return bytes(moved)
        case "cut":
            return content[: draw(st.integers(0, len(content) - 1))]
    # What a page says of itself: its type, its cells, where they lie.
    at = page + draw(st.integers(0, 63))
    return content[:at] + bytes([content[at] ^ 1 << draw(st.integers(0, 7))]) + content[at + 1 :]


def a_damaged_database_answers_as_the_whole_one_or_is_refused(draw: Draw) -> None:
    content, whole = sound_database()
    with a_file(damaged(draw, content), "routectl.db") as database:
        command = draw(st.sampled_from(ANSWERS))
        code, out, err = answer(database, command)
    assert code in (0, 1, 3), (command, err)
    assert SECRET not in err + out
    assert "in a way it should not" not in err, (command, err)
    stated = STATED.get(command[0])
    if code == 0 and stated is not None:
        assert _facts(out, stated) == _facts(whole[command][1], stated), command


def any_byte_of_a_database_may_be_wrong(draw: Draw) -> None:
    content, whole = sound_database()
    at, bit = draw(st.integers(0, len(content) - 1)), draw(st.integers(0, 7))
    flipped = content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
    with a_file(flipped, "routectl.db") as database:
        command = draw(st.sampled_from(ANSWERS))
        code, out, err = answer(database, command)
    assert code in (0, 1, 3), (command, err)
    assert SECRET not in err + out
    assert "in a way it should not" not in err, (command, err)
    if code == 0 and command[0] == "export":
        assert _facts(out, STATED["export"]) == _facts(whole[command][1], STATED["export"])


def _facts(out: str, names: tuple[str, ...]) -> object:
    try:
        value = json.loads(out)
    except ValueError:
        return out
    value = value[0] if isinstance(value, list) else value
    return {name: value.get(name) for name in names}


@cache
def sound_checkpoint() -> tuple[dict[str, bytes], str]:
    with tempfile.TemporaryDirectory() as folder:
        written = write_mf(Path(folder) / "mf")
        files = {path.name: path.read_bytes() for path in written.iterdir()}
        return files, open_router("mf", checkpoint=written).identity.fingerprint


def a_damaged_checkpoint_is_another_router_or_is_refused(draw: Draw) -> None:
    files, fingerprint = sound_checkpoint()
    name = draw(st.sampled_from(["config.json", "model.safetensors"]))
    content = changed(draw, files[name])
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "mf"
        checkpoint.mkdir()
        for other, whole in files.items():
            (checkpoint / other).write_bytes(content if other == name else whole)
        try:
            opened = open_router("mf", checkpoint=checkpoint)
        except RoutectlError:
            return
        assert opened.identity.fingerprint == fingerprint or name == "config.json"
        assert np.isfinite(opened.identity.noise)
        shutil.rmtree(checkpoint)


PROPERTIES: dict[str, tuple[Callable[[Draw], None], int]] = {
    "logs": (any_log_is_read_or_refused, 500),
    "extraction": (any_value_has_a_text_or_none, 300),
    "tables": (any_table_is_read_or_refused, 400),
    "options": (any_option_is_read_or_refused, 300),
    "damaged databases": (a_damaged_database_answers_as_the_whole_one_or_is_refused, 25),
    "flipped bits": (any_byte_of_a_database_may_be_wrong, 25),
    "damaged checkpoints": (a_damaged_checkpoint_is_another_router_or_is_refused, 150),
}
"""By name, with how many examples a test draws."""
