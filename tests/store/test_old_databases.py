"""Databases that older versions made: upgraded, they export what they exported then."""

from __future__ import annotations

import gzip
import json
import shlex
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from routectl.store import schema
from tests.conftest import MODELS, Routectl

FOLDER = Path(__file__).parent / "old_databases"
EXPECTED = {"0001": "0002"}
"""Whose output is expected, where no version exported from that schema."""

HISTORY = "history --json --limit 100"


@pytest.fixture(params=sorted(file.name.split(".")[0] for file in FOLDER.glob("*.db.gz")))
def old_schema(request: pytest.FixtureRequest, database: Path) -> str:
    """A schema; this test's database is a copy of the one of that schema."""
    with gzip.open(FOLDER / f"{request.param}.db.gz") as file:
        database.write_bytes(file.read())
    return str(request.param)


@pytest.fixture
def database_url(database: Path) -> str:
    """SQLite alone: the old databases are files."""
    return str(database)


def expected(old_schema: str) -> dict[str, dict[str, Any]]:
    """What each command printed then, and its exit code."""
    name = EXPECTED.get(old_schema, old_schema)
    commands: dict[str, dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return commands


def scores(database: Path) -> dict[tuple[str, str], list[float]]:
    """Win rates by router and prompt, of all its fingerprints."""
    query = (
        "SELECT name, digest, win_rate FROM scores "
        "JOIN routers ON routers.id = router_id JOIN prompts ON prompts.id = prompt_id"
    )
    by_prompt: dict[tuple[str, str], list[float]] = {}
    connection = sqlite3.connect(database)
    for name, digest, win_rate in connection.execute(query):
        by_prompt.setdefault((name, digest), []).append(win_rate)
    connection.close()
    return by_prompt


def test_every_schema_that_was_replaced_has_an_old_database() -> None:
    replaced = [version for version, _ in schema.versions()[:-1]]
    assert set(replaced) <= {file.name.split(".")[0] for file in FOLDER.glob("*.db.gz")}


def test_it_exports_byte_for_byte_what_it_exported_then(
    old_schema: str, routectl: Routectl
) -> None:
    assert routectl("db", "upgrade").code == 0
    commands = {c: then for c, then in expected(old_schema).items() if c.startswith("export")}
    if old_schema < "0006":
        # Without a route, those versions took the one named default.
        commands["export --route default"] = commands.pop("export")
    printed = {command: routectl(*shlex.split(command)) for command in commands}
    assert {c: {"code": now.code, "out": now.out} for c, now in printed.items()} == commands


def test_its_calibrations_belong_to_the_route_that_ran_them_first(
    old_schema: str, routectl: Routectl
) -> None:
    assert routectl("db", "upgrade").code == 0
    history = routectl("history", "--json", "--limit", "100").json
    ran: dict[int, str] = {}
    for entry in reversed(history["activations"]):
        ran.setdefault(entry["calibration_id"], entry["route"])
    routes = {entry["calibration_id"]: entry["route"] for entry in history["calibrations"]}
    # From schema 0006 on a calibration says its own route.
    others = "default" if old_schema < "0006" else "smart"
    assert routes == {id: ran.get(id, others) for id in routes}
    assert set(routes.values()) == {others, "smart" if old_schema < "0006" else "nightly"}


def test_its_routes_can_be_declared(old_schema: str, routectl: Routectl) -> None:
    assert routectl("db", "upgrade").code == 0
    before = routectl("export", "--route", "smart").out
    declared = {view["route"]: view["models"] for view in routectl("route", "list", "--json").json}
    assert routectl("route", "set", "smart", *MODELS, "--note", "now it has models").code == 0
    views = {view["route"]: view["models"] for view in routectl("route", "list", "--json").json}
    smart = views["smart"]
    assert {model["name"] for model in smart} == {"big", "small"}
    assert views == declared | {"smart": smart}
    assert routectl("export", "--route", "smart").out == before


def test_its_history_says_all_that_it_said_then(old_schema: str, routectl: Routectl) -> None:
    assert routectl("db", "upgrade").code == 0
    now = routectl(*shlex.split(HISTORY)).json
    then = json.loads(expected(old_schema)[HISTORY]["out"])
    for kind, entries in then.items():
        assert len(now[kind]) == len(entries) > 0
        for entry, old_entry in zip(now[kind], entries, strict=True):
            assert within(old_entry, entry) == old_entry


def within(then: Any, now: Any) -> Any:
    """What an object says today, of what it said then: newer keys are left out at each level."""
    if not isinstance(then, dict) or not isinstance(now, dict):
        return now
    return {name: within(value, now.get(name)) for name, value in then.items()}


def test_its_scores_are_all_there(old_schema: str, routectl: Routectl, database: Path) -> None:
    before = scores(database)
    assert routectl("db", "upgrade").code == 0
    after = scores(database)
    assert after.keys() == before.keys() != set()
    for key, win_rates in before.items():
        for win_rate in win_rates:
            # A mapped router's score is within rounding of the one under the known names.
            assert min(abs(win_rate - rate) for rate in after[key]) < 1e-12


def test_it_can_be_calibrated_again_once_a_log_is_imported(
    old_schema: str, routectl: Routectl, log: Path
) -> None:
    assert routectl("db", "upgrade").code == 0
    of_route = ("--route", "default" if old_schema < "0006" else "smart")
    refused = routectl("calibrate", "--strong-fraction", "0.3", "-r", "length", *of_route)
    if old_schema < "0005":  # whose text extraction is of before
        assert refused.code == 1
        assert "import their logs again to renew them" in refused.err
    assert routectl("import", log).code == 0
    done = routectl("calibrate", "--strong-fraction", "0.3", "-r", "length", *of_route)
    assert done.code in (0, 3)  # few requests: the share may miss its target
    calibration = routectl("history", "--json").json["calibrations"][0]
    assert routectl("activate", "--force", calibration["calibration_id"], *of_route).code == 0
    assert routectl("export", *of_route).out == f"router-length-{calibration['threshold']}\n"
