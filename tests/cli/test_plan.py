"""`plan`: what each strong fraction costs and is worth."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_bad_input import one_sentence
from tests.conftest import MODELS, Routectl, payload, write_log
from tests.evaluation.files import write_csv

DAY = 86_400


@pytest.fixture
def priced(routectl: Routectl, tmp_path: Path) -> None:
    """300 requests over 15 days, of a route with models."""
    log = [payload(n, startTime=1_790_000_000.0 + n * DAY / 20) for n in range(300)]
    routectl("import", write_log(tmp_path / "log.jsonl", log))
    routectl("route", "set", "smart", *MODELS, "--router", "length")


@pytest.mark.usefixtures("priced")
def test_a_plan_has_the_figures_that_a_calibration_has_and_records_nothing(
    routectl: Routectl,
) -> None:
    plan = routectl("plan", "--step", "20", "--json").json
    assert routectl("history", "--json").json["calibrations"] == []
    assert [cut["asked"] for cut in plan["cuts"]] == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    (calibration,) = routectl("calibrate", "--strong-fraction", "0.2", "--json").json
    cut = plan["cuts"][1]
    for key in ("threshold", "strong_fraction"):
        assert cut[key] == calibration[key]
    assert cut["month"] == calibration["costs"]["month"]
    assert cut["long_run"] == pytest.approx(calibration["intervals"]["long_run"])
    costs = [cut["month"]["this_threshold"] for cut in plan["cuts"]]
    assert costs == sorted(costs)
    assert costs[0] == pytest.approx(cut["month"]["always_weak"])
    assert costs[-1] == pytest.approx(cut["month"]["always_strong"])
    assert (plan["strong"], plan["weak"], plan["no_month"]) == ("big", "small", None)


@pytest.mark.usefixtures("priced")
def test_the_table_of_a_plan_says_what_is_saved_and_fits(routectl: Routectl) -> None:
    out = routectl("plan", "--step", "5").out
    assert max(map(len, out.splitlines())) <= 100
    for text in ("USD a month", "long-run saving", "requests in 30 days", "routectl label"):
        assert text in out


@pytest.mark.usefixtures("priced")
def test_a_plan_is_drawn_and_replaces_only_a_picture_of_its_own(
    routectl: Routectl, tmp_path: Path
) -> None:
    picture = tmp_path / "plan.svg"
    for _ in range(2):
        assert routectl("plan", "--plot", picture).code == 0
    assert "strong fraction" in picture.read_text()
    picture.write_text("mine")
    assert routectl("plan", "--plot", picture).code == 2
    assert picture.read_text() == "mine"
    one_sentence(routectl("plan", "--plot", tmp_path / "plan.pdf"), "png or svg", code=2)


def test_a_plan_without_models_has_shares_and_says_how_to_get_money(
    routectl: Routectl, log: Path
) -> None:
    routectl("import", log)
    shown = routectl("plan", "-r", "length", "--step", "50")
    assert shown.code == 0
    assert "USD" not in shown.out
    assert "routectl route set" in shown.out
    plan = routectl("plan", "-r", "length", "--json").json
    assert all(cut["month"] is None for cut in plan["cuts"])


def test_a_plan_shows_the_quality_that_an_evaluation_measured(
    routectl: Routectl, log: Path, tmp_path: Path
) -> None:
    routectl("import", log)
    rows = [
        {"prompt": "why? " * n, "big": int(n % 4 > 0), "small": int(n % 2 == 0)}
        for n in range(1, 41)
    ]
    evaluated = routectl(
        *("evaluate", "--benchmark", write_csv(tmp_path / "gold.csv", rows), "-r", "length"),
        *("--strong-model", "big", "--weak-model", "small", "--draws", 20),
    )
    assert evaluated.code == 0, evaluated.err
    plan = routectl("plan", "-r", "length", "--step", "50", "--json").json
    assert plan["evaluated"]["on_traffic"] is False
    first, *_, last = plan["cuts"]
    assert first["quality"] == pytest.approx(0.5)
    assert last["quality"] == pytest.approx(0.75)
    assert last["quality_interval"]["low"] < 0.75 < last["quality_interval"]["high"]
    assert "0.750 +-" in routectl("plan", "-r", "length").out


def test_a_step_or_routers_that_make_no_plan_are_refused(routectl: Routectl, log: Path) -> None:
    routectl("import", log)
    one_sentence(routectl("plan", "-r", "length", "--step", "7"), "does not divide 100", code=2)
    one_sentence(routectl("plan", "-r", "length", "-r", "random"), "one router", code=2)
