"""No command destroys a file that it was not asked to replace, whatever its output is named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.test_bad_input import one_sentence
from tests.conftest import Routectl, payload, write_log

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
