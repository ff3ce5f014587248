"""Commands that are killed at random moments lose nothing and store nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import payload, write_log
from tests.killing import (
    Nursery,
    copies_of,
    kill_and_run_again,
    scenes,
    schemas_of,
)
from tests.postgresql import PostgresqlServer

pytestmark = pytest.mark.slow

FEW_KILLS = {
    "import": 4,
    "score": 4,
    "calibrate": 3,
    "activate": 3,
    "db upgrade": 4,
    "evaluate": 3,
}
MANY_KILLS = {
    "import": 26,
    "score": 20,
    "score by two": 12,
    "calibrate": 20,
    "activate": 12,
    "rollback": 8,
    "db upgrade": 20,
    "evaluate": 16,
}
assert sum(MANY_KILLS.values()) >= 100

slow = pytest.mark.slow


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery.opened() as opened:
        yield opened


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Attempts, repeated prompts and conversations, so that rows meet rows that are there."""
    records = [
        payload(n, f"question {n * 7 % 1999}", litellm_call_id=f"call-{n - n % 5 % 2}")
        for n in range(2_400)
    ]
    return write_log(tmp_path_factory.mktemp("log") / "litellm.jsonl", records)


@pytest.mark.parametrize(
    ("name", "kills"),
    [
        *FEW_KILLS.items(),
        *(pytest.param(name, kills, marks=slow) for name, kills in MANY_KILLS.items()),
    ],
)
def test_a_killed_command_run_again_ends_as_if_it_had_not_been_killed(
    name: str, kills: int, nursery: Nursery, long_log: Path, tmp_path: Path
) -> None:
    scene = scenes(long_log)[name]
    fresh = copies_of(nursery, scene, tmp_path)
    report = kill_and_run_again(nursery, scene, fresh, kills=kills, seed=1)
    assert report.wrong == []
    assert report.kills >= kills


@pytest.mark.parametrize(
    ("name", "kills"),
    [("score", 3), pytest.param("import", 8, marks=slow), pytest.param("score", 8, marks=slow)],
)
def test_the_same_holds_on_postgresql(
    name: str, kills: int, nursery: Nursery, long_log: Path, postgresql_server: PostgresqlServer
) -> None:
    scene = scenes(long_log)[name]
    with ExitStack() as schemas:
        fresh = schemas_of(nursery, scene, postgresql_server, schemas)
        report = kill_and_run_again(nursery, scene, fresh, kills=kills, seed=2)
    assert report.wrong == []
    assert report.kills >= kills
