"""Requests that another version of the text extraction wrote: said, left out, renewed."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from routectl.store.engine import Location
from routectl.store.opening import open_store
from tests.chat_server import PAIR_AND_PRICES
from tests.conftest import Routectl
from tests.databases import rows_by_table
from tests.workflow.battles.test_battles import write_votes

ASKING = (*PAIR_AND_PRICES, "--endpoint", "http://127.0.0.1:9/v1")
COMMANDS = {
    "score": ("score", "-r", "length"),
    "calibrate": ("calibrate", "-r", "length", "--strong-fraction", 0.3),
    "label": ("label", *ASKING, "--sample", 5, "-r", "length"),
    "judge": ("battles", "judge", "--from-traffic", *ASKING, "--output", "judged.jsonl"),
}


@pytest.fixture
def database_url(any_database_url: str) -> str:
    return any_database_url


def write_by_another_version(url: str, requests: int) -> None:
    """Let the first requests be as an older package would have left them."""
    with open_store(Location.parse(url)) as store, store.write() as connection:
        connection.execute(
            text("UPDATE requests SET extraction_version = 0 WHERE id <= :last"),
            {"last": requests},
        )


@pytest.mark.parametrize("command", COMMANDS)
def test_all_of_another_version_are_refused_in_one_sentence(
    routectl: Routectl, log: Path, database_url: str, command: str
) -> None:
    routectl("import", log)
    write_by_another_version(database_url, 200)
    refused = routectl(*COMMANDS[command])
    assert refused.code == 1
    assert "all 200 requests were extracted by another version" in refused.err
    assert "import their logs again to renew them" in refused.err
    assert refused.err.count("Error:") == 1
    assert rows_by_table(database_url)["scores"] == []


@pytest.mark.parametrize("command", ["score", "calibrate"])
def test_some_of_another_version_are_left_out_and_said(
    routectl: Routectl, log: Path, database_url: str, command: str
) -> None:
    routectl("import", log)
    write_by_another_version(database_url, 50)
    done = routectl(*COMMANDS[command])
    assert done.code == 0
    assert "50 requests were extracted by another version" in done.err
    assert "import their logs again to renew them" in done.err
    assert len(rows_by_table(database_url)["scores"]) == 150


def test_importing_again_renews_them(routectl: Routectl, log: Path, database_url: str) -> None:
    routectl("import", log)
    before = rows_by_table(database_url)["requests"]
    write_by_another_version(database_url, 200)
    assert routectl("import", log, "--json").json["updated"] == 200
    assert rows_by_table(database_url)["requests"] == before
    done = routectl(*COMMANDS["score"], "--json")
    assert (done.json[0]["scored"], "another version" in done.err) == (200, False)


def test_a_check_of_battles_says_which_traffic_it_could_not_compare(
    routectl: Routectl, log: Path, database_url: str, tmp_path: Path
) -> None:
    routectl("import", log)
    write_by_another_version(database_url, 200)
    votes = [(f"How do I boil {n}?", "big", "small", "tie") for n in range(3)]
    routectl("battles", "import", write_votes(tmp_path / "votes", votes))
    assert "200 requests were extracted by another version" in routectl("battles", "check").err
