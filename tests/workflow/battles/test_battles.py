"""Battles go in once, are no traffic, and come out as training reads them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from routectl.preferences.battles import read_battles
from routectl.records import Battle
from routectl.store.engine import Location, Store
from routectl.store.opening import open_store
from routectl.workflow.battles import run as workflow
from tests.cli.test_bad_input import one_sentence
from tests.conftest import Routectl
from tests.databases import rows_by_table
from tests.killing import Nursery, Scene, copies_of, kill_and_run_again

VOTES = [
    ("Why is the sky blue?", "big", "small", "model_a"),
    ("Why is the sky blue?", "small", "big", "model_b"),
    ("Two plus two?", "big", "small", "tie"),
    ("Two plus two?", "big", "small", "model_b"),
]


@pytest.fixture
def database_url(any_database_url: str) -> str:
    return any_database_url


@pytest.fixture
def opened(database_url: str) -> Iterator[Store]:
    with open_store(Location.parse(database_url)) as store:
        yield store


def write_votes(path: Path, votes: list[tuple[str, str, str, str]] = VOTES) -> Path:
    keys = ("prompt", "model_a", "model_b", "winner")
    lines = [json.dumps(dict(zip(keys, vote, strict=True))) for vote in votes]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    return write_votes(tmp_path / "votes.jsonl")


def test_importing_battles_twice_changes_nothing_and_says_so(
    routectl: Routectl, votes: Path, database_url: str, tmp_path: Path
) -> None:
    assert routectl("battles", "import", votes, "--json").json["added"] == 4
    before = rows_by_table(database_url)
    again = routectl("battles", "import", votes)
    assert again.code == 0
    assert "Nothing changed" in again.out
    assert rows_by_table(database_url) == before
    # The file may move, be packed or grow.
    moved = tmp_path / "elsewhere" / "votes.jsonl.gz"
    moved.parent.mkdir()
    longer = votes.read_bytes() + write_votes(tmp_path / "more", VOTES[:1]).read_bytes()
    moved.write_bytes(gzip.compress(longer))
    third = routectl("battles", "import", moved, "--json").json
    assert (third["added"], third["unchanged"]) == (1, 4)


def test_battles_of_another_data_set_are_others(routectl: Routectl, votes: Path) -> None:
    routectl("battles", "import", votes)
    assert routectl("battles", "import", votes, "--source", "copy", "--json").json["added"] == 4


def test_a_battle_s_prompt_is_no_traffic(
    routectl: Routectl, votes: Path, log: Path, database_url: str
) -> None:
    routectl("battles", "import", votes)
    one_sentence(routectl("calibrate", "--strong-fraction", "0.3", "-r", "random"))
    routectl("import", log)
    assert routectl("score", "-r", "random").code == 0
    assert len(rows_by_table(database_url)["scores"]) == 200
    routectl("calibrate", "--strong-fraction", "0.3", "-r", "random")
    (calibration,) = routectl("history", "--json").json["calibrations"]
    assert calibration["requests"] == 200


def test_rows_that_are_no_battles_are_counted_named_and_kept(
    routectl: Routectl, tmp_path: Path
) -> None:
    path = tmp_path / "votes.csv"
    path.write_text(
        "prompt,model_a,model_b,winner\nHi,big,small,tie\nHo,big,small,perhaps\n"
        'Hm,big\n"Long,\ntext",big,small,big\n'
    )
    rejects = tmp_path / "rejects"
    result = routectl("battles", "import", path, "--rejects", rejects, "--json")
    assert result.code == 0
    assert (result.json["added"], result.json["rejected"], result.json["rows"]) == (2, 2, 4)
    assert [r["line"] for r in result.json["rejects"]] == [3, 4]
    assert "votes.csv line 3: column 'winner'" in result.err
    assert rejects.read_text() == "Ho,big,small,perhaps\nHm,big\n"


def test_a_damaged_file_keeps_what_came_before(routectl: Routectl, tmp_path: Path) -> None:
    many = [(f"Question {n}?", "big", "small", "tie") for n in range(3000)]
    packed = gzip.compress(write_votes(tmp_path / "votes", many).read_bytes())
    path = tmp_path / "votes.jsonl.gz"
    path.write_bytes(packed[: len(packed) // 2])
    one_sentence(routectl("battles", "import", path), "ends in the middle")
    assert 500 < routectl("db", "status", "--json").json["rows"]["battles"] < 3000
    path.write_bytes(packed)
    assert routectl("battles", "import", path).code == 0
    assert routectl("db", "status", "--json").json["rows"]["battles"] == 3000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prompt,big,small\nHi,1,0\n", ["gold table", "--gold"]),
        ("a,b\n1,2\n", ["holds no battles", "a, b"]),
        ("prompt,model_a,model_b,winner\nHi,big,small,both?\n", ["none of 1 rows is a battle"]),
    ],
)
def test_a_file_without_battles_is_refused_in_a_sentence(
    routectl: Routectl, tmp_path: Path, text: str, words: list[str]
) -> None:
    path = tmp_path / "file.csv"
    path.write_text(text)
    one_sentence(routectl("battles", "import", path), *words)


def test_battles_are_listed_by_data_set_and_pair(routectl: Routectl, votes: Path) -> None:
    assert routectl("init").code == 0
    assert "No battles yet" in routectl("battles", "list").out
    routectl("battles", "import", votes)
    found = routectl("battles", "list", "--json").json
    (source,) = found["sources"]
    assert (source["source"], source["battles"], source["prompts"], source["ties"]) == (
        "votes",
        4,
        2,
        1,
    )
    (pair,) = found["pairs"]
    assert (pair["model_a_won"], pair["ties"], pair["model_b_won"]) == (2, 1, 1)
    assert "big / small" in routectl("battles", "list").out


def test_an_export_is_what_training_reads_and_overwrites_nothing(
    routectl: Routectl, votes: Path, tmp_path: Path
) -> None:
    routectl("battles", "import", votes)
    out = tmp_path / "out.jsonl.gz"
    assert routectl("battles", "export", out).code == 0
    assert list(read_battles(out)) == [Battle(*vote) for vote in VOTES]  # type: ignore[arg-type]
    assert out.stat().st_mode & 0o777 == 0o600
    one_sentence(routectl("battles", "export", out), "--force", code=2)
    assert routectl("battles", "export", out, "--force").code == 0


def test_an_export_of_nothing_leaves_no_file(routectl: Routectl, tmp_path: Path) -> None:
    routectl("init")
    one_sentence(routectl("battles", "export", tmp_path / "out"), "battles import", code=2)
    assert not list(tmp_path.glob("out*"))


def test_the_data_set_s_own_judge_is_kept(
    routectl: Routectl, tmp_path: Path, database_url: str
) -> None:
    path = tmp_path / "judged.csv"
    path.write_text("prompt,model_a,model_b,winner,judge\nHi,a,b,tie,ann\nHi,a,b,tie,bob\n")
    routectl("battles", "import", path)
    source = routectl("battles", "list", "--json").json["sources"][0]
    assert source["annotators"] == 2


def test_many_battles_are_written_in_batches(
    routectl: Routectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflow.stored, "BATCH", 7)
    same = [("Same?", "big", "small", "tie")] * 30
    path = write_votes(tmp_path / "votes.jsonl", same)
    assert routectl("battles", "import", path, "--json").json["added"] == 30
    assert routectl("battles", "import", path, "--json").json["unchanged"] == 30


@pytest.mark.slow
def test_a_killed_import_of_battles_run_again_ends_as_if_it_had_not_been_killed(
    tmp_path: Path,
) -> None:
    many = [(f"Question {n % 1999}?", "big", "small", "tie") for n in range(6000)]
    path = write_votes(tmp_path / "votes.jsonl", many)
    scene = Scene("battles import", (), ("battles", "import", str(path)))
    with Nursery.opened() as nursery:
        fresh = copies_of(nursery, scene, tmp_path)
        report = kill_and_run_again(nursery, scene, fresh, kills=4, seed=3)
    assert report.wrong == []
    assert report.kills >= 4
