"""A calibration as a file: written without prompts, and checked wherever it goes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from routectl.export.calibration_file import calibration_document
from tests.cli.test_bad_input import one_sentence
from tests.conftest import MODELS, Routectl, payload, write_log

SECRET = "my secret prompt"


@pytest.fixture
def file(routectl: Routectl, tmp_path: Path) -> Path:
    """The file of c1; the database is there, too."""
    records = [payload(n, f"{SECRET} {n} " + "why? " * (n * 37 % 101)) for n in range(60)]
    routectl("route", "set", "smart", *MODELS)
    routectl("import", write_log(tmp_path / "log", records))
    routectl(
        *("calibrate", "--strong-fraction", "0.3", "--tolerance", "1", "-r", "length"),
        *("--note", "the review"),
    )
    path = tmp_path / "c1.json"
    assert routectl("show", "c1", "--output", path).code == 0
    return path


def answers(routectl: Routectl, path: Path, *more: object) -> dict[str, bool | None]:
    result = routectl("verify", path, "--json", *more)
    checks = {check["name"]: check["passed"] for check in result.json["checks"]}
    assert (result.code == 3) == (False in checks.values())
    return checks


def changed(path: Path, change: Callable[[dict[str, Any]], None], *, signed: bool) -> Path:
    """A copy whose calibration is another one, with its own digest or with the old one."""
    document = json.loads(path.read_text())
    change(document["calibration"])
    copy = path.with_name("changed.json")
    copy.write_text(
        calibration_document(document["calibration"]) if signed else json.dumps(document)
    )
    return copy


def test_a_file_holds_the_calibration_and_no_prompt(routectl: Routectl, file: Path) -> None:
    text = file.read_text()
    assert SECRET not in text
    document = json.loads(text)
    assert document["calibration"] == routectl("show", "c1", "--json").json
    assert answers(routectl, file) == dict.fromkeys(("file", "policy", "router", "database"), True)
    printed = routectl("verify", file)
    assert [line.split()[:2] for line in printed.out.splitlines()] == [
        [name, "yes"] for name in ("file", "policy", "router", "database")
    ]


def test_on_another_machine_the_database_is_not_asked(
    routectl: Routectl, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROUTECTL_DB")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert answers(routectl, file)["database"] is None
    one_sentence(routectl("verify", file, "--db", "none.db"), "no database at")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_file_may_be_laid_out_anew_and_not_changed(routectl: Routectl, file: Path) -> None:
    copy = file.with_name("copy.json")
    copy.write_text(json.dumps(json.loads(file.read_text()), sort_keys=True))
    assert answers(routectl, copy)["file"] is True

    def another_note(calibration: dict[str, Any]) -> None:
        calibration["note"] = "agreed with nobody"

    assert answers(routectl, changed(file, another_note, signed=False))["file"] is False
    one_sentence(routectl("verify", file.with_name("changed.json")), "does not hold: file", code=3)


@pytest.mark.parametrize(
    ("key", "value", "failed"),
    [
        ("threshold", "0.99", {"policy", "database"}),
        ("rows_digest", "0" * 64, {"database"}),
        ("calibration_id", 7, {"database"}),
        ("policy", None, {"policy", "database"}),
        ("policy", {"version": 99}, {"policy", "database"}),
        ("models", ["a", "b"], {"policy"}),
        ("policy.rule", "always_weak", {"policy", "database"}),
    ],
)
def test_what_is_otherwise_fails_its_check_also_where_someone_signed_it(
    routectl: Routectl, file: Path, key: str, value: object, failed: set[str]
) -> None:
    def change(calibration: dict[str, Any]) -> None:
        if key == "policy.rule":
            calibration["policy"] |= {"rule": value, "thresholds": []}
        else:
            calibration[key] = value

    copy = changed(file, change, signed=True)
    assert {name for name, ok in answers(routectl, copy).items() if ok is False} == failed


def test_a_router_of_another_fingerprint_says_no_and_one_that_is_not_here_is_not_asked(
    routectl: Routectl, file: Path
) -> None:
    def another(calibration: dict[str, Any]) -> None:
        calibration["policy"]["routers"][0]["fingerprint"] = "f" * 64
        calibration["fingerprint"] = "f" * 64

    assert answers(routectl, changed(file, another, signed=True))["router"] is False

    def elsewhere(calibration: dict[str, Any]) -> None:
        calibration["policy"]["routers"][0]["spec"]["checkpoint"] = "/nowhere/my-length"

    assert answers(routectl, changed(file, elsewhere, signed=True))["router"] is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no file of a calibration"),
        (b"\xff\x00", "no file of a calibration"),
        (b"[" * 100_000, "no file of a calibration"),
        (b'{"routectl_calibration": true}', "no file of a calibration"),
        (b'{"routectl_calibration": 2, "digest": "", "calibration": {}}', "up to 1"),
        (b'{"routectl_calibration": 1}', "without the calibration"),
    ],
)
def test_what_is_no_such_file_is_one_sentence(
    routectl: Routectl, tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    one_sentence(routectl("verify", path), "cannot be checked", words)
    one_sentence(routectl("verify", tmp_path), "cannot be read: Is a directory")
    one_sentence(routectl("verify", tmp_path / "none.json"), "cannot be read: No such file")


def test_a_file_of_its_own_is_replaced_and_no_other(
    routectl: Routectl, file: Path, database: Path
) -> None:
    assert routectl("show", "c1", "-o", file).code == 0
    other = shutil.copy(database, file.with_name("other.db"))
    mine = file.with_name("mine.txt")
    mine.write_text("mine")
    for path, words in ((mine, "--force"), (database, "the database"), (other, "SQLite database")):
        one_sentence(routectl("show", "c1", "-o", path), words, code=2)
    assert mine.read_text() == "mine"
