"""Which route a command means: the only one there is, or the one that --route names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_bad_input import one_sentence
from tests.conftest import MODELS, Routectl
from tests.databases import rows_by_table

CALIBRATE = ("calibrate", "--strong-fraction", "0.3", "-r", "length")
COMMANDS = (CALIBRATE, ("activate", "--always-strong"), ("rollback",), ("export",))


@pytest.fixture
def two(routectl: Routectl, log: Path) -> None:
    """Two routes and some traffic."""
    for name in ("smart", "batch"):
        routectl("route", "set", name, *MODELS, "--where", f"model_group={name}")
    routectl("import", log)


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_of_several_routes_one_must_be_named(
    routectl: Routectl, database_url: str, command: tuple[str, ...]
) -> None:
    before = rows_by_table(database_url)
    one_sentence(routectl(*command), "2 routes", "batch, smart", "--route", code=2)
    one_sentence(routectl(*command, "--route", ""), "--route is empty", code=2)
    unknown = routectl(*command, "--route", "other")
    one_sentence(unknown, "no route 'other'", "batch, smart", "routectl route set other")
    one_sentence(routectl(*command, "--route", "default"), "no route 'default'")
    assert rows_by_table(database_url) == before


@pytest.mark.usefixtures("two")
def test_each_route_has_its_own_calibrations_and_runs_them(routectl: Routectl) -> None:
    routectl(*CALIBRATE, "--route", "smart")
    assert routectl("activate", "--force", "--route", "smart").code == 0
    one_sentence(routectl("activate", "--force", "--route", "batch"), "no calibration to activate")
    other = routectl("activate", "--force", "1", "--route", "batch")
    one_sentence(other, "calibration c1 was made for route 'smart'")
    assert routectl("export", "--route", "smart").code == 0
    one_sentence(routectl("export", "--route", "batch"), "nothing is active on route 'batch'")
    history = routectl("history", "--json", "--route", "batch").json
    assert history["calibrations"] == history["activations"] == []


def test_the_only_route_need_not_be_named(routectl: Routectl, log: Path) -> None:
    routectl("route", "set", "smart", *MODELS)
    routectl("import", log)
    (answer,) = routectl(*CALIBRATE, "--json").json
    assert answer["route"] == "smart"
    assert "Route smart now runs" in routectl("activate", "--force").out
    assert "Route smart now runs" in routectl("activate", "--always-weak").out
    assert "Route smart now runs" in routectl("rollback").out
    assert routectl("export", "--json").json["route"] == "smart"
    one_sentence(
        routectl("activate", "--force", "--route", "default"), "no route 'default'", "smart"
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_but_route_set_makes_a_route_of_another_name(
    routectl: Routectl, log: Path, database_url: str, command: tuple[str, ...]
) -> None:
    routectl("import", log)
    unknown = routectl(*command, "--route", "smart")
    one_sentence(unknown, "no route 'smart'", "routectl route set smart --strong MODEL")
    assert rows_by_table(database_url)["routes"] == []


def test_the_first_use_of_default_makes_it(routectl: Routectl, log: Path) -> None:
    routectl("import", log)
    one_sentence(routectl("rollback"), "nothing to roll back")
    assert routectl("route", "list", "--json").json == []
    one_sentence(routectl("route", "show"), "there is no route yet")
    assert routectl(*CALIBRATE, "--route", "default").code == 0
    assert [view["route"] for view in routectl("route", "list", "--json").json] == ["default"]


def test_a_run_s_calibrations_share_its_name(
    routectl: Routectl, log: Path, database_url: str
) -> None:
    routectl("import", log)
    routectl(*CALIBRATE, "-r", "random")
    routectl(*CALIBRATE)
    runs = [row[-1] for row in sorted(rows_by_table(database_url)["calibrations"])]
    assert runs[0] == runs[1] != runs[2]
    assert all(runs)


@pytest.mark.parametrize(
    ("name", "typed"), [("$(id)", "'$(id)'"), ("a b", "'a b'"), ("\x1b[31m", "NAME")]
)
def test_a_command_that_an_error_names_is_safe_to_paste(
    routectl: Routectl, name: str, typed: str
) -> None:
    routectl("init")
    refused = routectl("export", "--route", name)
    one_sentence(refused, f"`routectl route set {typed} --strong MODEL --weak MODEL`")
    assert "\x1b" not in refused.err
