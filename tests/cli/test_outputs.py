"""No command destroys a file that it was not asked to replace, whatever its output is named."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import routectl as package
from tests.cli.test_bad_input import one_sentence
from tests.cli.test_usage import COMMANDS
from tests.conftest import MODELS, Routectl, payload, write_log
from tests.proxy.routes import route, write_routes

PAIR = ("--strong-model", "big", "--weak-model", "small")
JUDGE = (*PAIR, "--judge", "big", "--endpoint", "http://127.0.0.1:9/v1", "--max-cost", "1")
PRICES = ("--price", "big=2/8", "--price", "small=1/2", "--yes")


WRITING = {
    "import": ("import", "{bad}", "--rejects", "{output}"),
    "status": ("status", "--prometheus", "{output}"),
    "battles import": ("battles", "import", "{battles}", "--rejects", "{output}"),
    "export": ("export", "--output", "{output}"),
    "show": ("show", "c1", "--output", "{output}"),
    "export json": ("export", "--format", "json", "--output", "{output}"),
    "report": ("report", "--output", "{output}"),
    "battles export": ("battles", "export", "{output}"),
    "contamination": (
        *("battles", "contamination", "{battles}", "--against", "{bench}"),
        *("--output", "{output}"),
    ),
    "pairs": ("battles", "contamination", "--against", "{bench}", "--pairs", "{output}"),
    "judge": ("battles", "judge", "{bench}", *JUDGE, *PRICES, "--output", "{output}"),
    "label": ("label", "-r", "random", *JUDGE, *PRICES, "--output", "{output}"),
    "train": ("train", "length", "--battles", "{battles}", "--output", "{output}"),
}
"""Every command that writes a file or folder, but plots, whose folder is named."""


@pytest.fixture
def files(routectl: Routectl, tmp_path: Path, database: Path) -> dict[str, Path]:
    """A database with all that the commands ask of it, and their inputs."""
    log = write_log(tmp_path / "log.jsonl", [payload(n) for n in range(40)])
    bad = tmp_path / "bad.jsonl"
    bad.write_text(json.dumps(payload(1)) + "\n{cut off\n")
    battles = tmp_path / "battles.jsonl"
    rows = [
        {"prompt": f"p{n}", "model_a": "big", "model_b": "small", "winner": "tie"} for n in range(9)
    ]
    battles.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{cut off\n")
    bench = tmp_path / "bench.csv"
    bench.write_text("prompt,big,small\n" + "".join(f"p{n},1,{n % 2}\n" for n in range(9)))
    assert routectl("import", log).code == 0
    assert routectl("battles", "import", battles).code == 0
    assert routectl("calibrate", "-r", "random", "--strong-fraction", "0.3").code == 0
    assert routectl("activate", "--force").code == 0
    # A reader keeps the write-ahead log where it is.
    return {"bad": bad, "battles": battles, "bench": bench, "db": database}


def victims(files: dict[str, Path], folder: Path) -> Iterator[tuple[str, Path]]:
    """What no output may be, each in turn; removed afterwards."""

    def made(name: str, make: Callable[[Path], object]) -> Path:
        make(folder / name)
        return folder / name

    yield "the database", files["db"]
    for suffix in ("-wal", "-shm", "-journal"):
        yield suffix, files["db"].with_name(f"{files['db'].name}{suffix}")
    yield "its hard link", made("hard.db", lambda path: path.hardlink_to(files["db"]))
    for name in ("bad", "battles", "bench"):
        yield f"the input {name}", files[name]
        alias = made(f"hard.{name}", lambda path, of=files[name]: path.hardlink_to(of))
        yield f"the input {name} by a hard link", alias
    yield "a link to the database", made("link.db", lambda path: path.symlink_to(files["db"]))
    yield "a link to nothing", made("nowhere", lambda path: path.symlink_to("not there"))
    yield "a pipe", made("pipe", os.mkfifo)
    yield "a file of somebody else", made("mine", lambda path: path.write_text("mine"))


def state(folder: Path) -> dict[str, object]:
    """Every name in a folder with what it is; a database's own files but for its content."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        if path.name.endswith(("-wal", "-shm")) or path.name == "routectl.db":
            continue
        is_plain = path.is_file() and not path.is_symlink()
        content = path.read_bytes() if is_plain else None
        found[str(path.relative_to(folder))] = (status.st_ino, status.st_mode, content)
    return found


@pytest.mark.parametrize("command", WRITING)
def test_no_output_replaces_what_it_must_not(
    command: str, routectl: Routectl, files: dict[str, Path], tmp_path: Path
) -> None:
    arguments = WRITING[command]
    requests = routectl("db", "status", "--json").json["rows"]
    for what, victim in victims(files, tmp_path):
        before = state(tmp_path)
        inode = files["db"].stat().st_ino
        for more in ((), ("--force",)):
            is_input_of = any(part == f"{{{what.split()[-1]}}}" for part in arguments)
            if more and (
                command == "train"
                or what == "a file of somebody else"
                or ("input" in what and not is_input_of)
            ):
                continue  # --force is there for these
            filled = [part.format(**files, output=victim) for part in (*arguments, *more)]
            result = routectl(*filled)
            assert result.code in (1, 2), (what, filled, result)
            assert result.err.count("Error:") == 1, (what, result)
            assert state(tmp_path) == before, (what, filled)
            assert files["db"].stat().st_ino == inode
    assert routectl("db", "status", "--json").json["rows"] == requests


def test_plots_replace_nothing_either(
    routectl: Routectl, files: dict[str, Path], tmp_path: Path
) -> None:
    draw = ("evaluate", "--benchmark", files["bench"], "-r", "length", "--transfer", *PAIR)
    draw += ("--draws", "5", "--plots", tmp_path / "plots")
    picture = tmp_path / "plots" / "bench-scores.png"
    picture.parent.mkdir()
    for make in (
        lambda path: path.symlink_to(files["db"]),
        lambda path: path.hardlink_to(files["db"]),
        lambda path: path.write_text("mine"),
        os.mkfifo,
    ):
        make(picture)
        before = state(tmp_path)
        one_sentence(routectl(*draw), "bench-scores.png", code=2)
        assert state(tmp_path) == before
        picture.unlink()
    assert routectl("evaluations", "list", "--json").json == []
    for _ in range(2):
        assert routectl(*draw).code == 0


@pytest.mark.parametrize("format", ["string", "env", "json", "yaml"])
def test_an_export_replaces_any_export_and_nothing_else(
    format: str, routectl: Routectl, files: dict[str, Path], tmp_path: Path
) -> None:
    target = tmp_path / "routing"
    for other in ("string", "env", "json", "yaml"):
        assert routectl("export", "--format", other, "-o", target).code == 0
        assert routectl("export", "--format", format, "-o", target).code == 0
    before = target.read_text()
    target.write_text("model_list: []\n" + before)
    one_sentence(routectl("export", "--format", format, "-o", target), "--force", code=2)


def added(text: str) -> Callable[[str], str]:
    """A change by hand: something at the end."""
    return lambda written: written + text


def replaced(old: str, new: str) -> Callable[[str], str]:
    """A change by hand: something else in the first place."""
    return lambda written: written.replace(old, new, 1)


BY_HAND = {
    "export --format env": (
        added("OTHER=1\n"),
        added("ROUTECTL_UPSTREAM_KEY=sk-live\n"),
        lambda written: f"# mine\n{written}",
        replaced("\n", " # mine\n"),
        lambda _: "ROUTECTL_UPSTREAM_KEY=sk-live\n",
    ),
    "export --format yaml": (
        added("master_key: sk-live\n"),
        added("# mine\n"),
        lambda _: "config_string: [cut off\n",
    ),
    "export --format json": (
        replaced("{", '{"mine": 1,'),
        lambda _: '{"config_string": 1, "mine": 2}\n',
    ),
    "export --format string": (added("mine\n"),),
    "export --format litellm": (
        added("general_settings: {}\n"),
        added("# mine\n"),
        added("- {model_name: mine, litellm_params: {model: openai/mine}}\n"),
    ),
    "export --format litellm --complete": (
        replaced("os.environ/LITELLM_MASTER_KEY", "sk-live"),
        replaced("os.environ/ROUTECTL_UPSTREAM_KEY_BIG", "sk-live"),
        added("  database_url: mine\n"),
    ),
    "export --format routes": (
        replaced("{", '{"mine": 1,'),
        added("mine"),
        replaced('"smart": {', '"smart": {"mine": 1,'),
    ),
    "show c1": (replaced("{", '{"mine": 1,'), replaced('"route": "smart"', '"route": "mine"')),
    "report": (added("<p>mine"),),
    "status --prometheus": (added("mine 1\n"),),
}


@pytest.mark.parametrize("command", BY_HAND)
@pytest.mark.usefixtures("files")
def test_a_file_that_was_changed_by_hand_is_replaced_only_where_that_is_asked_for(
    command: str, routectl: Routectl, tmp_path: Path
) -> None:
    assert routectl("route", "set", "smart", *MODELS).code == 0
    assert routectl("calibrate", "-r", "random", "--strong-fraction", "0.3").code == 0
    assert routectl("activate", "c2", "--force").code == 0
    target = tmp_path / "written"
    option = () if "--prometheus" in command else ("-o",)
    write = (*command.split(), *option, target)
    for change in BY_HAND[command]:
        result = routectl(*write)
        assert result.code in (0, 3), result.err
        changed = change(target.read_text())
        assert changed != target.read_text()
        target.write_text(changed)

        one_sentence(routectl(*write), "--force", code=2)
        assert target.read_text() == changed
        assert routectl(*write, "--force").code in (0, 3)
        assert "mine" not in target.read_text()


def test_a_users_env_file_with_variables_of_routectl_stays(
    routectl: Routectl, files: dict[str, Path], tmp_path: Path
) -> None:
    mine = tmp_path / ".env"
    text = "ROUTECTL_MODE=threshold\nROUTECTL_UPSTREAM_KEY=sk-live-123\nOTHER=1\n"
    mine.write_text(text)
    one_sentence(routectl("export", "--format", "env", "-o", mine), "--force", code=2)
    assert mine.read_text() == text


WITHOUT_FORCE = {
    "plan": ("plan", "-r", "random", "--step", "50", "--plot", "{output}"),
    "serve": ("serve", "--routes", "{routes}", "--port", "0", "--log", "{output}"),
    "publish": ("route", "set", "smart", "--publish", "{output}"),
}
"""Commands that write a file and have no --force."""


@pytest.mark.parametrize("command", [*WRITING, *WITHOUT_FORCE])
def test_force_is_advised_where_the_command_has_it_and_nowhere_else(
    command: str, routectl: Routectl, files: dict[str, Path], tmp_path: Path
) -> None:
    mine = tmp_path / "mine.svg"
    mine.write_text("mine")
    if command == "serve":
        write_routes(tmp_path / "routes.json", smart=route())
    arguments = {**WRITING, **WITHOUT_FORCE}[command]
    filled = [
        part.format(**files, output=mine, routes=tmp_path / "routes.json") for part in arguments
    ]
    (parameters,) = [leaf.params for path, leaf in COMMANDS if list(path) == filled[: len(path)]]
    has_force = any("--force" in parameter.opts for parameter in parameters)

    result = routectl(*filled)

    assert (result.code, "mine.svg is there already" in result.err) in ((2, True), (1, True))
    assert ("--force" in result.err) == has_force, result.err
    assert mine.read_text() == "mine"


def test_what_can_be_forced_is_told_whether_it_is() -> None:
    for path in Path(package.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Output":
                given = {word.arg for word in node.keywords}
                assert ("force" in given) != ("can_be_forced" in given), (path, node.lineno)


def test_rejects_are_written_only_where_there_are_any(
    routectl: Routectl, files: dict[str, Path], tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects"
    assert routectl("import", tmp_path / "log.jsonl", "--rejects", rejects).code == 0
    assert not rejects.exists()
    assert routectl("import", files["bad"], "--rejects", rejects).code == 0
    assert rejects.read_text() == "{cut off\n"
    one_sentence(routectl("import", files["bad"], "--rejects", rejects), "--force", code=2)
    assert routectl("import", files["bad"], "--rejects", rejects, "--force").code == 0
    assert rejects.read_text() == "{cut off\n"


def test_the_file_behind_standard_input_is_an_input(
    files: dict[str, Path], tmp_path: Path, routectl: Routectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files["bad"].read_bytes()
    descriptor, kept = os.open(files["bad"], os.O_RDONLY), os.dup(0)
    os.dup2(descriptor, 0)
    try:
        result = routectl("import", "-", "--rejects", files["bad"], "--force")
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(descriptor)
    one_sentence(result, "is an input", code=2)
    assert files["bad"].read_bytes() == before


def test_rejects_to_the_database_that_the_import_would_make_are_refused(
    routectl: Routectl, tmp_path: Path, database: Path
) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text(json.dumps(payload(1)) + "\n{cut off\n")
    one_sentence(routectl("import", bad, "--rejects", database), "database", code=2)
    assert not database.exists()
