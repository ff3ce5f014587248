"""`routectl samples`: what each import brought, and taking one out again."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from routectl.store.engine import Location
from routectl.store.models import Base
from routectl.store.opening import open_store
from routectl.store.samples import removal
from tests.conftest import Routectl, payload, write_log
from tests.databases import damage, rows_by_table


@pytest.fixture
def two_logs(routectl: Routectl, tmp_path: Path) -> None:
    """s1: requests 0 to 59; s2: 40 to 99, of which 60 to 99 are new. Prompts 0 to 9 recur."""
    first = [payload(n, f"prompt {n % 50}") for n in range(60)]
    second = [payload(n, f"prompt {n % 50 if n < 60 else n - 60}") for n in range(40, 100)]
    for name, records in (("first", first), ("second", second)):
        assert routectl("import", write_log(tmp_path / f"{name}.jsonl", records)).code == 0


def test_samples_are_listed(routectl: Routectl, two_logs: None) -> None:
    newest, oldest = routectl("samples", "list", "--json").json
    assert [newest["id"], newest["seen"], newest["requests"]] == [2, 60, 40]
    assert [oldest["id"], oldest["seen"], oldest["requests"]] == [1, 60, 60]
    listed = routectl("samples", "list").out
    assert "s1" in listed
    assert "first.jsonl" in "".join(listed.split())


def test_without_a_yes_only_what_would_go_is_said(
    routectl: Routectl, two_logs: None, database_url: str, tmp_path: Path
) -> None:
    before = rows_by_table(database_url)
    result = routectl("samples", "remove", "s1")
    assert result.code == 2
    assert "60 requests" in result.out
    assert "add --yes" in result.err
    assert rows_by_table(database_url) == before
    assert list(tmp_path.glob("*.bak")) == []


def test_what_a_sample_would_take_is_told_in_a_time_that_grows_with_its_rows(
    routectl: Routectl, database: Path, tmp_path: Path
) -> None:
    # A million requests were not done in minutes: each prompt was looked for in the whole sample.
    count, step = 2_000, 1_000
    log = tmp_path / "log.txt"
    log.write_text("".join(f"prompt {n}\n" for n in range(count)))
    assert routectl("import", log, "--db", database).code == 0
    steps = 0

    def more() -> int:
        nonlocal steps
        steps += step
        return 0

    with open_store(Location.parse(str(database))) as store, store.read() as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.set_progress_handler(more, step)
        assert removal(connection, 1).prompts == count
    assert steps < 200 * count  # of SQLite's machine


def test_a_removed_sample_takes_what_nothing_else_refers_to(
    routectl: Routectl, two_logs: None, database_url: str, tmp_path: Path, database: Path
) -> None:
    votes = tmp_path / "votes.csv"
    votes.write_text("prompt,model_a,model_b,winner\nprompt 45,big,small,tie\n")
    bench = tmp_path / "bench.csv"
    bench.write_text("prompt,big,small\nprompt 46,1,0\nprompt 47,0,1\nprompt 48,1,1\n")
    routectl("battles", "import", votes)
    calibrated = ("calibrate", "-r", "random", "--strong-fraction", "0.3")
    assert routectl(*calibrated).code == 0
    pair = ("--strong-model", "big", "--weak-model", "small", "--draws", "5")
    evaluated = routectl("evaluate", "--benchmark", bench, "-r", "length", "--transfer", *pair)
    assert evaluated.code == 0, evaluated.err
    history = routectl("history", "--json").out
    indexes = {name: len(table.indexes) for name, table in Base.metadata.tables.items()}

    result = routectl("samples", "remove", "s1", "--yes", "--json")
    assert result.code == 0, result.err
    # Prompts 0 to 39 are the other sample's too; of 40 to 49 a battle has one, an evaluation three.
    expected = {"requests": 60, "prompts": 6, "prompts_of_evaluations": 3}
    assert {key: result.json[key] for key in expected} == expected

    rows = rows_by_table(database_url)
    assert (len(rows["requests"]), len(rows["prompts"]), len(rows["scores"])) == (40, 44, 47)
    assert damage(database_url) == []
    # The index that it takes for a while is none of the models'.
    assert {name: len(table.indexes) for name, table in Base.metadata.tables.items()} == indexes
    assert routectl("history", "--json").out == history
    assert routectl(*calibrated).code == 0
    listed = routectl("samples", "list")
    assert "removed" in listed.out
    copies = [path.name for path in tmp_path.glob("*.bak")]
    assert copies == (["routectl.db.with-s1.bak"] if database.exists() else [])
    again = routectl("samples", "remove", "s1", "--yes")
    assert again.code == 1
    assert "was removed" in again.err


def test_what_was_removed_can_be_imported_again_as_another_sample(
    routectl: Routectl, two_logs: None, tmp_path: Path
) -> None:
    assert routectl("samples", "remove", "2", "--yes").code == 0
    again = routectl("import", tmp_path / "second.jsonl", "--json").json
    assert (again["added"], again["sample_id"]) == (40, 3)
    assert routectl("calibrate", "-r", "random", "--strong-fraction", "0.3").code == 0


@pytest.mark.parametrize("name", ["s9", "9", "s" + "9" * 18])
def test_a_sample_that_is_not_there_is_told(routectl: Routectl, two_logs: None, name: str) -> None:
    result = routectl("samples", "remove", name, "--yes")
    assert result.code == 1
    assert "no sample" in result.err


@pytest.mark.parametrize("name", ["c1", "s", "s-1", "1e3", "s0", "9" * 400])
def test_what_is_no_sample_is_told(routectl: Routectl, name: str) -> None:
    result = routectl("samples", "remove", "--", name)
    assert result.code == 2
    assert "sample" in result.err
