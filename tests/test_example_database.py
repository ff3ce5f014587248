"""routectl.db.example: a copy of it answers at once."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from routectl.store.engine import SCHEMA_VERSION, Location, schema_version
from routectl.store.opening import open_store
from tests.conftest import Routectl

EXAMPLE = Path(__file__).resolve().parents[1] / "routectl.db.example"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return Path(shutil.copy(EXAMPLE, tmp_path / "routectl.db"))


def test_it_is_at_the_newest_schema(database: Path) -> None:
    with open_store(Location.parse(str(database))) as store:
        assert schema_version(store) == SCHEMA_VERSION


def test_it_names_no_place_of_the_machine_that_made_it(database: Path) -> None:
    connection = sqlite3.connect(database)
    assert connection.execute("SELECT source FROM samples").fetchall() == [
        ("examples/traffic.jsonl",)
    ]
    connection.close()


def test_it_is_small() -> None:
    assert EXAMPLE.stat().st_size <= 3_000_000


def test_a_calibration_on_it_needs_no_torch(database: Path) -> None:
    code = (
        "import sys; from routectl.cli.app import run; code = run(sys.argv[1:]); "
        "print('torch' in sys.modules); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "calibrate", "--strong-fraction", "0.3", "--db", database],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Config string: router-mf-0." in done.stdout
    assert done.stdout.splitlines()[-1] == "False"


def test_it_holds_the_scores_that_the_shipped_routers_give(database: Path) -> None:
    from routectl.routers import names, open_router

    connection = sqlite3.connect(database)
    stored = dict(connection.execute("SELECT name, fingerprint FROM routers"))
    connection.close()
    # `calibrate -r all` leaves out a slow router that has not scored, and so does the example.
    opened = [open_router(name) for name in names()]
    assert stored == {
        router.identity.name: router.identity.fingerprint
        for router in opened
        if not router.description.slow
    }


def test_what_it_activated_can_be_exported(routectl: Routectl) -> None:
    exported = routectl("export")
    assert exported.code == 0
    assert exported.out.startswith("router-mf-0.")
    assert "no calibration is active" not in exported.err
