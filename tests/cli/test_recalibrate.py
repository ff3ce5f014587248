"""What runs is asked again of fresh traffic, and nothing doubtful is activated."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_bad_input import one_sentence
from tests.conftest import MODELS, Routectl, payload, write_log

DAY = 86_400.0
START = 1_700_000_000.0
"""2023-11-14 22:13:20 UTC"""
FRESH = "2023-11-26"
"""From here on there is only fresh traffic."""


def record(number: int, day: float, **fields: Any) -> dict[str, Any]:
    group = "smart" if number % 5 else "batch"
    return payload(number, startTime=START + day * DAY, model_group=group, **fields)


def fresh(routectl: Routectl, tmp_path: Path, *, repeat: str = "") -> None:
    """Two days of requests that are longer than those of before, or one prompt alone."""
    prompts = [repeat or f"{n} " + "and why? " * (40 + n * 37 % 101) for n in range(200)]
    records = [record(1000 + n, 11.5 + n / 101, prompt=p) for n, p in enumerate(prompts)]
    assert routectl("import", write_log(tmp_path / "fresh", records)).code == 0


@pytest.fixture
def running(routectl: Routectl, tmp_path: Path) -> None:
    """A route that runs c1: 30 % of the group smart, of the days from 2023-11-15 on."""
    routectl("route", "set", "smart", *MODELS)
    records = [record(n, 1 + n / 40) for n in range(400)]
    routectl("import", write_log(tmp_path / "log", records))
    made = routectl(
        *("calibrate", "--strong-fraction", "0.3", "--tolerance", "0.1", "-r", "length"),
        *("--where", "model_group=smart", "--since", "2023-11-15", "--confidence", "0.9"),
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
    result = routectl("recalibrate", "--since", FRESH, "--json")
    assert result.code == 0, result.err
    made = result.json["calibration"]
    for key in ("target", "router", "fingerprint", "checkpoint", "models", "route"):
        assert made[key] == before[key]
    assert made["population"]["where"] == ["model_group=smart"]
    assert made["long_run"]["confidence"] == 0.9
    assert made["requests"] == 160
    assert float(made["threshold"]) > float(before["threshold"])
    assert result.json["diff"]["weaker"] > 0
    assert result.json["diff"]["before"]["id"] == "a1"
    assert result.json["diff"]["after"]["id"] == "c2"
    assert result.json["activation"] is None
    assert activations(routectl) == [1]
    text = routectl("recalibrate", "--since", FRESH).out
    assert "a1 goes on running. `routectl activate c3` runs c3." in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.usefixtures("running")
def test_with_yes_it_is_activated_with_its_note_and_expiry(
    routectl: Routectl, tmp_path: Path
) -> None:
    fresh(routectl, tmp_path)
    done = routectl(
        "recalibrate", "--since", FRESH, "--yes", "--expires", "2199-01-31", "--note", "quarterly"
    )
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
    result = routectl("recalibrate", "--since", FRESH, "--yes")
    one_sentence(
        result, "c2 is recorded and not activated", "a1 goes on running", "--force", code=3
    )
    assert "misses its target" in result.err
    assert activations(routectl) == [1]
    assert routectl("show", "c2").code == 0
    assert routectl("recalibrate", "--since", FRESH, "--json").json["doubts"] != []


@pytest.mark.usefixtures("running")
def test_without_a_time_the_window_is_as_long_as_before_up_to_now(
    routectl: Routectl, tmp_path: Path
) -> None:
    before = routectl("show", "c1", "--json").json
    result = routectl("recalibrate", "--json").json
    made = result["calibration"]
    since, was, created, made_at = (
        datetime.fromisoformat(text)
        for text in (
            made["population"]["since"],
            before["population"]["since"],
            before["created_at"],
            made["created_at"],
        )
    )
    assert timedelta(0) < made_at - since - (created - was) < timedelta(minutes=5)
    assert made["population"]["until"] is None
    assert result["diff"]["moved"] == 0
    # Old days with the fresh ones are a mix that the check in time refuses.
    fresh(routectl, tmp_path)
    one_sentence(routectl("recalibrate", "--yes"), "its check in time failed", code=3)
    assert activations(routectl) == [1]


@pytest.mark.usefixtures("running")
def test_other_models_of_the_route_are_a_doubt_no_more(routectl: Routectl, tmp_path: Path) -> None:
    routectl("route", "set", "smart", "--weak", "tiny", "--price", "tiny=0.1/0.4")
    fresh(routectl, tmp_path)
    assert routectl("recalibrate", "--since", FRESH, "--yes").code == 0
    assert routectl("show", "c2", "--json").json["models"] == ["tiny", "big"]


def test_what_has_no_target_is_one_sentence(routectl: Routectl, log: Path) -> None:
    routectl("import", log)
    one_sentence(routectl("recalibrate"), "runs nothing", "routectl activate")
    routectl("activate", "--always-weak")
    one_sentence(routectl("recalibrate"), "runs always-weak", "no target to keep")
    one_sentence(routectl("recalibrate", "--expires", "30d"), "without --yes", code=2)
