"""Options out of range, rows that no reader likes, and files that are no database."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from routectl.cli.app import routectl as group
from tests.conftest import Result, Routectl

NUMBERS = ["9" * 24, "1" + "0" * 400, "-" + "9" * 24, "nan", "inf", "-inf", "1e999", "1e400"]
COUNTS = (click.IntRange, click.FloatRange, click.types.IntParamType, click.types.FloatParamType)
OTHERS = {"--confidence", "--max-cost", "--threshold"}
ANY_FINITE = {("evaluate", "--quality")}
"""In the unit of the benchmark: any finite number is one."""


def commands(
    owner: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(owner)
    for name in owner.list_commands(context):
        command = owner.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


NUMERIC = [
    (path, max(option.opts, key=len))
    for path, command in commands(group)
    for option in command.params
    if isinstance(option, click.Option)
    and not option.is_flag
    and (isinstance(option.type, COUNTS) or OTHERS & set(option.opts))
]


def is_a_sentence(result: Result, *codes: int) -> None:
    assert result.code in codes, result.err
    assert "Error: " in result.err
    assert "Traceback" not in result.err
    assert "should not" not in result.err


@pytest.mark.parametrize(("path", "option"), NUMERIC, ids=lambda value: str(value))
def test_a_number_that_nothing_can_be_done_with_is_refused(
    routectl: Routectl, path: tuple[str, ...], option: str
) -> None:
    for number in NUMBERS:
        if (path[0], option) in ANY_FINITE and "9" in number and "e" not in number:
            continue
        if (path[0], option) in ANY_FINITE and number.startswith("1000"):
            continue
        is_a_sentence(routectl(*path, f"{option}={number}"), 2)


def test_there_are_many_such_options() -> None:
    assert len(NUMERIC) > 30


DEEP = "[" * 5000 + "]" * 5000
HUGE = int("1" + "0" * 400)
PAIR = ("--strong-model", "a", "--weak-model", "b")
EVALUATE = ("evaluate", "-r", "length", "--transfer", *PAIR, "--benchmark")
TRAIN = ("train", "mf", "--output", "new")
GOOD = {"prompt": "p", "a": 1, "b": 0}


@pytest.mark.parametrize(
    ("command", "rows"),
    [
        (EVALUATE, [GOOD, {"a": 1, "b": 1}]),
        (EVALUATE, [GOOD, {"prompt": "q", "a": HUGE, "b": 1}]),
        (EVALUATE, [GOOD, {"prompt": DEEP, "a": 1, "b": None}, {"a": 1}]),
        (EVALUATE, [{"prompt": "q", "scores": DEEP}]),
        ((*TRAIN, "--gold"), [{"prompt": "q", "scores": DEEP}]),
        ((*TRAIN, "--gold"), [GOOD, {"prompt": "q", "a": HUGE, "b": 1}]),
        ((*TRAIN, "--gold"), [{"prompt": "q", "options": DEEP, "a": 1, "b": 0}]),
        ((*TRAIN, "--gold"), [GOOD, {"a": 1, "b": 1}]),
        (
            ("battles", "import"),
            [{"instruction": "q", "generator_1": "x", "generator_2": "y", "preference": HUGE}],
        ),
        (
            ("battles", "import"),
            [
                {
                    "prompt": DEEP,
                    "model_a": "x",
                    "model_b": "y",
                    "winner_model_a": 1,
                    "winner_model_b": 0,
                    "winner_tie": 0,
                }
            ],
        ),
    ],
)
def test_a_bad_row_of_a_table_is_one_sentence(
    routectl: Routectl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    rows: list[dict[str, object]],
) -> None:
    monkeypatch.chdir(tmp_path)
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        (tmp_path / "table.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    finally:
        sys.set_int_max_str_digits(limit)
    routectl("init")
    is_a_sentence(routectl(*command, tmp_path / "table.jsonl"), 1, 2)


@pytest.mark.parametrize("command", [("history",), ("init",), ("db", "status")])
def test_a_pipe_a_device_or_a_loop_is_no_database(
    routectl: Routectl, tmp_path: Path, command: tuple[str, ...]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "endless").symlink_to("/dev/zero")
    for name in ("pipe", "loop", "endless"):
        is_a_sentence(routectl(*command, "--db", tmp_path / name), 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("history", "--db", "~nosuchuser/x"),
        ("routers", "show", "mf=~nosuchuser/x"),
        (*EVALUATE, "~nosuchuser/x"),
        (
            "train",
            "mf",
            "--output",
            "new",
            "--gold",
            "~nosuchuser/x",
            "--embedder",
            "~nosuchuser/x",
        ),
    ],
    ids=str,
)
def test_the_folder_of_a_user_that_is_not_there_is_a_sentence(
    routectl: Routectl, arguments: tuple[str, ...]
) -> None:
    is_a_sentence(routectl(*arguments), 1, 2)


def test_a_loop_of_links_as_a_checkpoint_or_a_log_is_a_sentence(
    routectl: Routectl, tmp_path: Path
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    is_a_sentence(routectl("routers", "show", f"mf={tmp_path / 'loop'}"), 1, 2)
    is_a_sentence(routectl("import", tmp_path / "loop"), 1, 2)
    is_a_sentence(routectl("battles", "import", tmp_path / "loop"), 1, 2)


OPEN_SHARES = [
    ("plan", "--confidence"),
    ("calibrate", "--strong-fraction", "0.3", "--confidence"),
    ("calibrate", "--strong-fraction", "0.3", "--guarantee"),
    ("evaluate", "--benchmark", "b", "--confidence"),
    ("evaluations", "compare", "e1", "e2", "--confidence"),
    ("route", "set", "smart", "--strong", "a", "--weak", "b", "--drift-tolerance"),
]


@pytest.mark.parametrize("command", OPEN_SHARES, ids=" ".join)
@pytest.mark.parametrize("number", ["0", "-0.0", "1", "1e-320", "0.99999999999999999"])
def test_a_share_that_must_be_between_0_and_1_is_neither_of_them(
    routectl: Routectl, database: Path, command: tuple[str, ...], number: str
) -> None:
    result = routectl(*command, number)
    is_a_sentence(result, 2)
    assert f"{number} is not above 0 and below 1" in result.err
    assert not database.exists()


@pytest.mark.parametrize("number", ["1e400", "1e308", "1e10", "1e-10", "1e-320", "-1"])
def test_a_price_that_no_sum_can_hold_is_refused(
    routectl: Routectl, database: Path, number: str
) -> None:
    models = ("route", "set", "smart", "--strong", "a", "--weak", "b", "--price", "b=0/1e-9")
    result = routectl(*models, "--price", f"a=1/{number}")
    is_a_sentence(result, 2)
    assert (repr(number) in result.err, database.exists()) == (True, False)
    assert routectl(*models, "--price", "a=1e9/30").code == 0
