"""`decide` and `explain -` decode turns or refuse them, and never score them as a prompt."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import MODELS, Routectl, payload, write_log

UNREADABLE = {
    "cut off": '{"messages": [{"role":"user","content":"hi"',
    "cut off in a string": '{"model": "smart", "prompt": "hi',
    "nested": '{"messages": ' + "[" * 5000 + "]" * 5000 + "}",
    "digits": '{"messages": [{"role": "user", "content": ' + "1" * 5000 + "}]}",
    "brackets": "[" * 100_000,
}
READABLE = ("why?", "[INST] why?", "[1, 2]", '{"name": "Ada"}', '{"role": "user"} is no turn, why?')


@pytest.fixture
def routes(routectl: Routectl, tmp_path: Path) -> Path:
    """routes.json of a route that runs a threshold on lengths."""
    path = tmp_path / "routes.json"
    for command in (
        ("import", write_log(tmp_path / "log", [payload(n) for n in range(40)])),
        ("route", "set", "smart", *MODELS, "--publish", path),
        ("calibrate", "-r", "length", "--strong-fraction", "0.5"),
        ("activate", "--force"),
    ):
        done = routectl(*command)
        assert done.code == 0, done.err
    return path


def ran(folder: Path, *arguments: str, shell: str = "", given: str = "") -> tuple[int, str, str]:
    """Run the command line in a process; `shell` is what it does to standard input."""
    command = [sys.executable, "-m", "routectl", *arguments]
    if shell:
        command = ["sh", "-c", f'exec "$@" {shell}', "sh", *command]
    # Without the file from here, its path would be this one's.
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        command,
        input=None if shell else given,
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(root)},
        timeout=100,
    )
    return done.returncode, done.stdout, done.stderr


def test_lines_that_cannot_be_read_are_counted_and_the_others_decided(
    routes: Path, tmp_path: Path
) -> None:
    lines = [*READABLE, *UNREADABLE.values(), "the last one?"]
    given = "".join(f"{line}\n" for line in lines)

    code, out, err = ran(tmp_path, "decide", "--routes", str(routes), given=given)

    assert (code, len(out.splitlines())) == (1, len(READABLE) + 1), err
    assert f"5 of {len(lines)} lines of standard input could not be read" in err
    assert f"(line {len(READABLE) + 1} holds turns that are written in a way" in err
    assert "no_text" not in out


@pytest.mark.parametrize("given", UNREADABLE.values(), ids=UNREADABLE)
def test_a_body_that_cannot_be_read_is_not_explained(
    routes: Path, routectl: Routectl, given: str, tmp_path: Path
) -> None:
    code, out, err = ran(tmp_path, "explain", "-", given=given)
    assert (code, out) == (1, "")
    assert "cannot be read back" in err


@pytest.mark.parametrize(
    ("shell", "words"), [("<&-", "standard input is closed"), ("</dev/zero", "longer than 64 MiB")]
)
def test_a_closed_or_endless_standard_input_is_one_sentence(
    routes: Path, tmp_path: Path, shell: str, words: str
) -> None:
    for command in (("decide", "--routes", str(routes)), ("explain", "-")):
        code, out, err = ran(tmp_path, *command, shell=shell)
        assert (code, out) == (1, ""), err
        assert (words in err, "Traceback" in err, "should not" in err) == (True, False, False), err
