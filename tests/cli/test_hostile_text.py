"""Nothing that a log, a checkpoint, an answer, a note or a name holds acts on a terminal."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import routectl as package
from routectl.embedding.endpoint import KEY
from routectl.evaluation.benchmark import JudgedPair
from routectl.records import ModelPair
from routectl.workflow.judging import setup
from tests.chat_server import Server
from tests.conftest import Routectl, payload, write_log
from tests.hostile_text import (
    ACTING,
    FORGED,
    NO_TEXT,
    SECRET,
    Scene,
    acting_characters,
    forged_lines,
    leaves,
)

VARIANTS = [("-v",), ("--json",)]


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    for name in (setup.JUDGE_KEY, setup.MODELS_KEY, KEY):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROUTECTL_ACTOR", f"somebody {ACTING}")
    monkeypatch.chdir(tmp_path)
    with Server().started() as server:
        yield Scene(tmp_path, server)


def test_no_command_prints_what_acts_nor_a_prompt(
    scene: Scene, routectl: Routectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUTECTL_ACTOR", f"somebody {ACTING}")
    ran = set()
    for number, step in enumerate(scene.steps()):
        ran |= {step[:n] for n in (1, 2)}
        # In turn, because each takes its time; benchmarks/campaign.py runs all with both.
        result = routectl(*step, *VARIANTS[number % 2])
        printed = result.out + result.err
        assert acting_characters(printed) == set(), (step, printed)
        assert forged_lines(printed) == [], step
        assert SECRET not in printed, (step, printed)
        assert "in a way it should not" not in printed, (step, printed)
        assert result.code in (0, 1, 2, 3)
    assert set(leaves()) - ran - set(NO_TEXT) == set()


def test_people_and_programs_are_shown_that_something_was_there(routectl: Routectl) -> None:
    routectl("init")
    routectl("activate", "--always-weak", "--note", "\x1b]0;owned\x07")
    assert r"\x1b]0;owned\x07" in routectl("history").out
    assert routectl("history", "--json").json["activations"][0]["note"] == "\x1b]0;owned\x07"


def test_only_the_console_prints() -> None:
    printing = set()
    for path in Path(package.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and (
                (isinstance(node.func, ast.Name) and node.func.id == "print")
                or ast.unparse(node.func) in ("click.echo", "click.secho", "sys.stdout.write")
            ):
                printing.add(path.name)
    assert printing == {"console.py", "completion.py"}


@pytest.mark.parametrize("format", ["svg", "png"])
def test_a_plot_holds_no_character_that_acts(tmp_path: Path, format: str) -> None:
    from routectl.report.plots import draw_evaluation, plot_outputs

    rng = np.random.default_rng(1)
    scores = {f"mine {ACTING} $x$": rng.random(60)}
    judged = JudgedPair(
        f"bench {ACTING}",
        ModelPair(f"big {ACTING}", f"small {ACTING}"),
        tuple(f"{SECRET} {n}" for n in range(60)),
        rng.random(60),
        rng.random(60),
    )
    outputs = plot_outputs(judged.benchmark, tmp_path / "plots", [format])
    for path in draw_evaluation(judged, scores, outputs, draws=20):
        assert acting_characters(path.name) == set()
        if format == "svg":
            text = path.read_text()
            ElementTree.fromstring(text)
            assert acting_characters(text) == set()
            assert SECRET not in text


@pytest.mark.slow
def test_a_model_card_has_the_rows_and_lines_that_it_should(
    scene: Scene, routectl: Routectl, tmp_path: Path
) -> None:
    output = tmp_path / f"new {ACTING}"
    done = routectl(
        *("train", "mf", "--gold", scene.gold, "--output", output, "--licence", ACTING),
        *("--strong-model", f"big {ACTING}", "--weak-model", f"small {ACTING}"),
    )
    assert done.code == 0, done.err
    card = (output / "README.md").read_text()
    assert acting_characters(card) == set()
    assert forged_lines(card) == []
    assert "<b>" not in re.sub(r"(`+) .*? \1", "", card)
    (row,) = [line for line in card.split("\n") if "gold.jsonl" in line]
    assert row.replace("\\|", "").count("|") == 4
    assert FORGED in card


RUN = "$(touch PWN)"
"""What a shell carries out, where it stands in a command outside of quotes."""


def unquoted(printed: str) -> list[str]:
    """Lines of which a command or an option would carry out what `RUN` says."""
    lines = []
    for line in printed.replace("\n", " ").split(" --"):
        value = line.split("`")[0]
        outside = re.sub(r"'[^']*'", "", value)
        is_option = re.match(r"(where|price|route|strong|weak|config)[ =-]", value) is not None
        if is_option and RUN in outside.split(" (")[0]:
            lines.append(value)
    return lines


def test_a_name_in_a_command_that_is_printed_to_be_pasted_is_quoted(
    routectl: Routectl, tmp_path: Path
) -> None:
    records = [
        payload(n, model_group=RUN if n % 3 else "smart", model=f"gpt-5 {RUN}") for n in range(60)
    ]
    log = write_log(tmp_path / "log", records)
    said = {}
    for name, command in {
        "import": ("import", log),
        "mixed": ("calibrate", "-r", "length", "--strong-fraction", "0.3"),
        "none": ("calibrate", "-r", "length", "--strong-fraction", "0.3", "--where", f"team={RUN}"),
        "set": ("route", "set", f"r {RUN}", "--strong", f"gpt-5 {RUN}", "--weak", RUN),
        "plan": ("plan", "-r", "length"),
        "show": ("route", "show"),
        "status": ("status",),
    }.items():
        done = routectl(*command)
        said[name] = done.out + done.err
        assert unquoted(said[name]) == [], said[name]
    assert f"--where {shlex.quote(f'model_group={RUN}')}" in said["mixed"]
    assert f"--where {shlex.quote(f'team={RUN}')}" in said["none"]
    assert f"--price {shlex.quote(f'gpt-5 {RUN}')}=IN/OUT" in said["set"]
