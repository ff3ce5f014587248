"""A command line that cannot be carried out is answered in one sentence, with an example."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from routectl.cli.app import SECTIONS
from routectl.cli.app import routectl as group
from tests.cli.test_bad_input import one_sentence
from tests.conftest import Routectl

ROOT = Path(__file__).resolve().parents[2]


def leaves(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield from leaves(child, (*path, name))


COMMANDS = list(leaves(group))
REQUIRED = [path for path, command in COMMANDS if any(p.required for p in command.params)]
NUMBERS = [
    (path, max(parameter.opts, key=len))
    for path, command in COMMANDS
    for parameter in command.params
    if isinstance(parameter, click.Option)
    and isinstance(parameter.type, click.types.IntParamType | click.types.FloatParamType)
    and not parameter.is_flag
]
CHOICES = [
    (path, max(parameter.opts, key=len))
    for path, command in COMMANDS
    for parameter in command.params
    if isinstance(parameter, click.Option) and isinstance(parameter.type, click.Choice)
]


def named(value: object) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize("path", REQUIRED, ids=named)
def test_what_is_missing_is_named_with_an_example(
    routectl: Routectl, path: tuple[str, ...]
) -> None:
    result = routectl(*path)
    one_sentence(
        result, f"`routectl {' '.join(path)}` needs ", f"as in `routectl {path[0]}", code=2
    )
    assert "Missing" not in result.err


def test_a_calibration_without_a_target_lists_the_targets(routectl: Routectl) -> None:
    one_sentence(
        routectl("calibrate", "--at-most"),
        "`routectl calibrate` needs a target, --strong-fraction or --budget or --max-loss or "
        "--min-quality",
        "as in `routectl calibrate --strong-fraction 0.3`",
        code=2,
    )


@pytest.mark.parametrize(("path", "option"), NUMBERS, ids=named)
def test_a_word_where_a_number_belongs_is_told_what_belongs_there(
    routectl: Routectl, path: tuple[str, ...], option: str
) -> None:
    result = routectl(*path, option, "many")
    one_sentence(result, f"{option} takes a ", "number", "not 'many'", code=2)


@pytest.mark.parametrize(("path", "option"), CHOICES, ids=named)
def test_an_unknown_choice_lists_the_choices(
    routectl: Routectl, path: tuple[str, ...], option: str
) -> None:
    one_sentence(routectl(*path, option, "purple"), f"{option} takes one of ", "'purple'", code=2)


@pytest.mark.parametrize(("path", "option"), NUMBERS[:1] + CHOICES[:1], ids=named)
def test_an_option_without_its_value_says_what_is_missing(
    routectl: Routectl, path: tuple[str, ...], option: str
) -> None:
    one_sentence(routectl(*path, option), f"{option} needs a value", "--help", code=2)


def test_a_flag_with_a_value_is_told(routectl: Routectl) -> None:
    one_sentence(routectl("history", "--json=3"), "--json takes no value", code=2)


def test_an_argument_too_many_is_told(routectl: Routectl) -> None:
    one_sentence(routectl("history", "c1"), "`routectl history` takes no more arguments", code=2)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (("calibrat",), "did you mean calibrate?"),
        (("train", "bret"), "did you mean bert?"),
        (("history", "--rout"), "did you mean --route?"),
    ],
)
def test_a_near_word_is_offered(routectl: Routectl, typed: tuple[str, ...], offered: str) -> None:
    one_sentence(routectl(*typed), offered, code=2)


@pytest.mark.parametrize("path", [(), *(path for path, _ in COMMANDS)], ids=named)
def test_no_far_fetched_word_is_offered(routectl: Routectl, path: tuple[str, ...]) -> None:
    far = routectl(*path, "--xylophone")
    one_sentence(far, "there is no option --xylophone", code=2)
    assert "did you mean" not in far.err


def test_a_far_command_is_not_guessed(routectl: Routectl) -> None:
    result = routectl("postgres")
    one_sentence(result, "there is no command postgres", code=2)
    assert "did you mean" not in result.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("activate", "abc"), ("'abc' is no id of a calibration", "write c12 or 12")),
        (("activate", "a7"), ("a7 is an activation", "takes a calibration")),
        (("activate", "e7"), ("e7 is an evaluation", "takes a calibration")),
        (("activate", "c0"), ("no calibration can have the id c0",)),
        (("show", "a7"), ("a7 is an activation",)),
        (("export", "--calibration", "a1"), ("a1 is an activation",)),
        (("rollback", "--to", "c4"), ("c4 is a calibration", "takes an activation")),
        (("evaluations", "show", "c4"), ("c4 is a calibration", "takes an evaluation")),
        (("evaluations", "compare", "e1", "x9"), ("x9 is no id",)),
        (("activate", str(2**63)), (f"no calibration can have the id {2**63}",)),
        (("rollback", "--to", "a" + "9" * 5000), ("no activation can have the id a9999",)),
        (("evaluations", "show", f"e{2**64}"), (f"no evaluation can have the id e{2**64}",)),
    ],
)
def test_an_id_of_another_kind_or_size_is_one_sentence(
    routectl: Routectl, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    routectl("init")
    result = routectl(*arguments)
    one_sentence(result, *words, code=2)
    assert len(result.err) < 400


@pytest.mark.parametrize("written", ["c9", "9", "C9", "009"])
def test_an_id_is_taken_with_its_letter_or_without(routectl: Routectl, written: str) -> None:
    routectl("init")
    one_sentence(routectl("activate", written), "no calibration c9 in this database")


def test_the_help_shows_the_everyday_commands_first_and_each_once(routectl: Routectl) -> None:
    shown = routectl("--help").out
    places = [shown.index(f"{title}:") for title in SECTIONS]
    assert places == sorted(places)
    names = [name for section in SECTIONS.values() for name in section]
    assert len(set(names)) == len(names)
    listed = [line.split()[0] for line in shown.splitlines() if line.startswith("  ")]
    assert [name for name in names if listed.count(name) != 1] == []
    assert max(map(len, shown.splitlines())) <= 80


def test_the_first_screen_loads_no_command() -> None:
    code = (
        "import sys; from routectl.cli.app import SECTIONS, run; run(['--help']); "
        "names = {n for s in SECTIONS.values() for n in s}; "
        "print(sorted(n for n in names if {f'routectl.cli.{n}', f'routectl.cli.{n}_'} "
        "& set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.splitlines()[-1] == "[]"
