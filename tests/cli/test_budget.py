"""`calibrate --budget`: the money of a month, from the log's own rate and booked costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_bad_input import one_sentence
from tests.conftest import MODELS, Routectl, payload, write_log

DAY = 86_400
START = 1_790_000_000.0


@pytest.fixture
def logged(routectl: Routectl, tmp_path: Path) -> None:
    """400 requests over 16 days in conversations of two; each model answered half of them, the weak
    one in twice the tokens; what is booked is half of the price."""
    log = []
    for n in range(400):
        big = n % 2 == 0
        out = 100 if big else 200
        cost = (10 * (2 if big else 0.25) + out * (8 if big else 1)) / 1e6 / 2
        log.append(
            payload(
                n,
                startTime=START + n * 16 * DAY / 400,
                trace_id=f"talk-{n // 2}",
                model="big-2026-01-01" if big else "azure/small",
                prompt_tokens=10,
                completion_tokens=out,
                response_cost=cost,
            )
        )
    routectl("import", write_log(tmp_path / "log.jsonl", log))
    routectl("route", "set", "smart", *MODELS, "--router", "length")


@pytest.mark.usefixtures("logged")
def test_a_budget_says_what_the_same_traffic_costs_and_how_sure_that_is(
    routectl: Routectl,
) -> None:
    first = routectl("calibrate", "--strong-fraction", "0.4", "--json").json[0]["costs"]
    assert first["booked"]["strong"] == {"requests": 200, "ratio": pytest.approx(0.5)}
    assert first["booked"]["weak"] == {"requests": 200, "ratio": pytest.approx(0.5)}
    assert first["answers"]["ratio"] == pytest.approx(2)
    assert 0 < first["changes_model"] < 0.5
    month = first["month"]
    assert month["requests"] == pytest.approx(400 / 16 * 30, rel=0.02)
    strong = (10 * 2 + 100 * 8) / 1e6 / 2
    weak = (10 * 0.25 + 200 * 1) / 1e6 / 2
    assert month["always_strong"] == pytest.approx(strong * month["requests"])
    assert month["always_weak"] == pytest.approx(weak * month["requests"])

    halfway = (month["always_strong"] + month["always_weak"]) / 2
    asked = ("calibrate", "--budget", f"{halfway:.6f}/month")
    (answer,) = routectl(*asked, "--json").json
    assert answer["target"] == {
        "budget": pytest.approx(halfway),
        "per": "month",
        "currency": "USD",
        "tolerance": 0.02,
    }
    assert answer["at_most"] is False
    assert answer["strong_fraction"] == pytest.approx(0.5, abs=0.02)
    cost = answer["costs"]["month"]
    assert cost["this_threshold"] <= halfway
    assert cost["cost_interval"]["low"] < cost["this_threshold"] < cost["cost_interval"]["high"]
    shown = routectl(*asked, "--dry-run")
    assert max(map(len, shown.out.splitlines())) <= 100
    words = " ".join(shown.out.split())
    for text in (
        f"budget {halfway:,.2f} USD in 30 days at most; this threshold takes",
        "long-run cost",
        "long-run saving",
        "the next month",
        "big at 0.50 of its price (200 booked answers)",
        "small takes 2.00 tokens for each of big's",
        "of the requests change model within their conversation",
        "each weekday at its own mean",
    ):
        assert text in words, text
    history = routectl("history")
    assert f"{halfway:,.2f} USD" in history.out
    again = routectl("show", "c2")
    assert again.code == 0
    assert "long-run cost" in again.out


@pytest.mark.usefixtures("logged")
def test_a_budget_below_all_weak_is_refused_and_nothing_is_recorded(routectl: Routectl) -> None:
    refused = routectl("calibrate", "--budget", "0.01/month")
    one_sentence(refused, "0.01 USD a month cannot be met", "with the weak model alone", code=1)
    assert routectl("history", "--json").json["calibrations"] == []


@pytest.mark.usefixtures("logged")
def test_a_budget_above_all_strong_takes_all_strong_and_says_so(routectl: Routectl) -> None:
    result = routectl("calibrate", "--budget", "1,000/month")
    assert result.code == 0
    assert "1,000.00 USD a month pay for the strong model alone" in result.err
    assert "router-length-0.0" in result.out


@pytest.mark.parametrize(
    "text", ["5000", "5000/week", "many/month", "-5/month", "0/month", "nan/month", "1e999/month"]
)
def test_a_budget_that_is_none_is_refused(routectl: Routectl, text: str) -> None:
    result = routectl("calibrate", "--budget", text)
    one_sentence(result, "--budget", "as in 5000/month", code=2)


def test_two_targets_and_another_target_s_options_are_refused(routectl: Routectl) -> None:
    both = routectl("calibrate", "--budget", "5/month", "--strong-fraction", "0.3")
    one_sentence(both, "--strong-fraction and --budget are two targets", code=2)
    for option in (("--at-most",), ("--guarantee", "0.95")):
        misplaced = routectl("calibrate", "--budget", "5/month", *option)
        one_sentence(misplaced, f"{option[0]} goes with --strong-fraction", code=2)


def test_what_a_budget_needs_is_named(routectl: Routectl, tmp_path: Path) -> None:
    asked = ("calibrate", "--budget", "5/month", "-r", "length")
    routectl("import", write_log(tmp_path / "a.jsonl", [payload(n, "x" * n) for n in range(1, 9)]))
    one_sentence(routectl(*asked), "declares no models", "route set default --strong", code=1)
    routectl("route", "set", "smart", *MODELS)
    one_sentence(routectl(*asked), "spans less than a day", "import a longer log", code=1)


def test_a_budget_of_a_log_without_times_or_tokens_is_refused(
    routectl: Routectl, tmp_path: Path
) -> None:
    asked = ("calibrate", "--budget", "5/month", "-r", "length")
    routectl("route", "set", "smart", *MODELS)
    log = [payload(n, startTime=None) for n in range(9)]
    routectl("import", write_log(tmp_path / "a.jsonl", log), "--db", tmp_path / "a.db")
    routectl("route", "set", "smart", *MODELS, "--db", tmp_path / "a.db")
    timeless = routectl(*asked, "--db", tmp_path / "a.db")
    one_sentence(timeless, "the log has no times", "--map time=PATH", code=1)
    log = [payload(n, completion_tokens=None) for n in range(9)]
    routectl("import", write_log(tmp_path / "b.jsonl", log))
    one_sentence(routectl(*asked), "no tokens", code=1)
    assert routectl("history", "--json").json["calibrations"] == []
