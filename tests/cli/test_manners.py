"""How the command line behaves in a terminal, in a pipe and in a shell."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Routectl, payload, write_log

CALIBRATE = ("calibrate", "-r", "random", "--strong-fraction", "0.3")


def in_a_terminal(*arguments: str, **environment: str) -> str:
    """What a command line prints when stderr is a terminal (and stdout is not)."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "routectl", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=follower,
        env={k: v for k, v in os.environ.items() if k != "NO_COLOR"} | environment,
    )
    os.close(follower)
    printed = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:  # the other end was closed
            break
        if not part:
            break
        printed += part
    os.close(leader)
    process.wait()
    return printed.decode()


def test_a_progress_bar_is_drawn_in_a_terminal_and_nowhere_else(
    routectl: Routectl, log: Path, database: Path
) -> None:
    piped = routectl("import", log)
    assert "%" not in piped.err
    assert "\r" not in piped.err
    drawn = in_a_terminal("score", "-r", "length", "--db", str(database))
    assert "scoring with length" in drawn
    assert "100%" in drawn
    quiet = in_a_terminal("score", "-r", "random", "-q", "--db", str(database))
    assert quiet == ""


def test_errors_are_red_in_a_terminal_unless_no_color_is_set(database: Path) -> None:
    arguments = ("history", "--db", str(database))
    assert "\x1b[31mError:" in in_a_terminal(*arguments)
    assert "\x1b" not in in_a_terminal(*arguments, NO_COLOR="1")


def test_quiet_leaves_the_result_and_nothing_else(routectl: Routectl, log: Path) -> None:
    assert routectl("import", log, "--quiet").err == ""
    result = routectl(*CALIBRATE, "--quiet")
    assert result.err == ""
    assert "Config string: router-random-0." in result.out


def test_quiet_does_not_hide_an_error(routectl: Routectl) -> None:
    result = routectl("history", "--quiet")
    assert result.err.startswith("Error: no database")


def test_verbose_says_each_step_on_stderr(routectl: Routectl, log: Path) -> None:
    assert f"reading {log} as litellm" in routectl("import", log, "--verbose").err
    result = routectl(*CALIBRATE, "-v")
    assert "200 prompts to score with random" in result.err
    assert "Detail:" not in result.out
    assert "Detail:" not in routectl(*CALIBRATE).err


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_whose_output_is_closed_does_its_work(
    routectl: Routectl, log: Path, database: Path, closed: str
) -> None:
    done = subprocess.run(
        f"'{sys.executable}' -m routectl import '{log}' --db '{database}' {closed}",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Error" in done.stderr) == (0, False)
    assert routectl("db", "status", "--json").json["rows"]["requests"] == 200


@pytest.mark.parametrize(
    "command",
    [
        CALIBRATE,
        ("calibrate", "-r", "random", "-r", "length", "--strong-fraction", "0.3"),
        ("history",),
        ("routers", "list"),
        ("routers", "show", "mf"),
        ("db", "status"),
    ],
    ids=" ".join,
)
def test_tables_stay_within_100_columns(
    routectl: Routectl, tmp_path: Path, command: tuple[str, ...]
) -> None:
    records = [payload(n, model_group="a-model-group-with-a-long-name") for n in range(200)]
    routectl("import", write_log(tmp_path / "log", records))
    routectl(*CALIBRATE)
    routectl("activate", "--force", "--note", "a note that goes on and on, " * 10)
    result = routectl(*command)
    assert result.code == 0
    # A folder's path is as long as it is.
    lines = [line for line in result.out.splitlines() if "checkpoints" not in line]
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("routectl cali", {"calibrate"}),
        ("routectl calibrate -r ", {"mf", "bert", "random", "length", "all"}),
        ("routectl import --format open", {"openai", "openai-batch"}),
        ("routectl score --where mod", {"model_group="}),
    ],
)
def test_the_shell_completes_commands_routers_formats_and_fields(
    words: str, offered: set[str]
) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "routectl"],
        env=os.environ
        | {
            "_ROUTECTL_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert {line.split(",", 1)[1] for line in done.stdout.splitlines()} >= offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_shell_s_script(routectl: Routectl, shell: str) -> None:
    result = routectl("completion", shell)
    assert result.code == 0
    assert "_ROUTECTL_COMPLETE" in result.out
