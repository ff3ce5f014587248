"""What runs is asked again of fresh traffic, and nothing doubtful is activated."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_bad_input import one_sentence
from tests.conftest import MODELS, Routectl, payload, write_log

DAY = 86_400.0
NOW = time.time()


def record(number: int, days_ago: float, **fields: Any) -> dict[str, Any]:
    group = "smart" if number % 5 else "batch"
    return payload(number, startTime=NOW - days_ago * DAY, model_group=group, **fields)


def fresh(routectl: Routectl, tmp_path: Path, *, repeat: str = "") -> None:
    """Two days of requests that are longer than those of before, or one prompt alone."""
    prompts = [repeat or f"{n} " + "and why? " * (40 + n * 37 % 101) for n in range(200)]
    records = [record(1000 + n, 2 - n / 101, **{"prompt": p}) for n, p in enumerate(prompts)]
    assert routectl("import", write_log(tmp_path / "fresh", records)).code == 0


@pytest.fixture
def running(routectl: Routectl, tmp_path: Path) -> None:
    """A route that runs c1: 30 % of the group smart, of the last ten days."""
    routectl("route", "set", "smart", *MODELS)
    records = [record(n, 12 - n / 40) for n in range(400)]
    routectl("import", write_log(tmp_path / "log", records))
    made = routectl(
        *("calibrate", "--strong-fraction", "0.3", "--tolerance", "0.1", "-r", "length"),
        *("--where", "model_group=smart", "--since", "10d", "--confidence", "0.9"),
    )
    assert made.code == 0
    assert routectl("activate", "--force").code == 0


def activations(routectl: Routectl) -> list[int]:
    return [entry["activation_id"] for entry in routectl("history", "--json").json["activations"]]


@pytest.mark.usefixtures("running")
def test_the_same_question_is_asked_of_fresh_traffic_and_nothing_is_activated(
    routectl: Routectl, tmp_path: Path
) -> None:
    fresh(routectl, tmp_path)
    before = routectl("show", "c1", "--json").json
    result = routectl("recalibrate", "--json")
    assert result.code == 0, result.err
    made = result.json["calibration"]
    for key in ("target", "router", "fingerprint", "checkpoint", "models", "route"):
        assert made[key] == before[key]
    assert made["population"]["where"] == ["model_group=smart"]
    assert made["long_run"]["confidence"] == 0.9
    # The window is as long as before, up to now: what was before it is not asked again.
    assert made["population"]["since"] > before["population"]["since"]
    assert made["requests"] > before["requests"]
    assert float(made["threshold"]) > float(before["threshold"])
    assert result.json["diff"]["weaker"] > 0
    assert result.json["diff"]["before"]["id"] == "a1"
    assert result.json["diff"]["after"]["id"] == "c2"
    assert result.json["activation"] is None
    assert activations(routectl) == [1]
    text = routectl("recalibrate", "--since", "30d").out
    assert "a1 goes on running. `routectl activate c3` runs c3." in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.usefixtures("running")
def test_with_yes_it_is_activated_with_its_note_and_expiry(
    routectl: Routectl, tmp_path: Path
) -> None:
    fresh(routectl, tmp_path)
    done = routectl("recalibrate", "--yes", "--expires", "2199-01-31", "--note", "quarterly")
    assert done.code == 0, done.err
    assert "Route smart now runs router-length-" in done.out
    entry = routectl("history", "--json").json["activations"][0]
    assert (entry["calibration_id"], entry["note"]) == (2, "quarterly")
    assert entry["expires_at"] == "2199-01-31T00:00:00+00:00"


@pytest.mark.usefixtures("running")
def test_what_activate_would_want_force_for_is_recorded_and_what_runs_stays(
    routectl: Routectl, tmp_path: Path
) -> None:
    fresh(routectl, tmp_path, repeat="the same long prompt " * 30)
    result = routectl("recalibrate", "--since", "2d", "--yes")
    one_sentence(
        result, "c2 is recorded and not activated", "a1 goes on running", "--force", code=3
    )
    assert "misses its target" in result.err
    assert activations(routectl) == [1]
    assert routectl("show", "c2").code == 0
    assert routectl("recalibrate", "--since", "2d", "--json").json["doubts"] != []


@pytest.mark.usefixtures("running")
def test_other_models_of_the_route_are_a_doubt_no_more(routectl: Routectl, tmp_path: Path) -> None:
    routectl("route", "set", "smart", "--weak", "tiny", "--price", "tiny=0.1/0.4")
    fresh(routectl, tmp_path)
    assert routectl("recalibrate", "--yes").code == 0
    assert routectl("show", "c2", "--json").json["models"] == ["tiny", "big"]


def test_what_has_no_target_is_one_sentence(routectl: Routectl, log: Path) -> None:
    routectl("import", log)
    one_sentence(routectl("recalibrate"), "runs nothing", "routectl activate")
    routectl("activate", "--always-weak")
    one_sentence(routectl("recalibrate"), "runs always-weak", "no target to keep")
    one_sentence(routectl("recalibrate", "--expires", "30d"), "without --yes", code=2)
