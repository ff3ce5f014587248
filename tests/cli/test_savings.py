"""What routing has saved, told from a log whose every request was priced by hand."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_bad_input import one_sentence
from tests.conftest import MODELS, Routectl, payload, write_log

DAY = 86_400.0
PRICES = {"big": (2.0, 8.0), "small": (0.25, 1.0)}


def cost(model: str, tokens_in: int, tokens_out: int = 20) -> float:
    read, written = PRICES[model]
    return (read * tokens_in + written * tokens_out) / 1e6


def decided(number: int, **fields: Any) -> dict[str, Any]:
    """A request that the proxy decided by a1: every fourth one is strong."""
    side, model = ("strong", "big") if number % 4 == 0 else ("weak", "small")
    entry = {
        "route": "smart",
        "decision": side,
        "model": model,
        "reason": "threshold",
        "activation": "a1",
    }
    entry |= fields.pop("entry", {})
    values = {
        "model": model,
        "startTime": 1_790_000_000.0 + 3600.0 * number,
        "response_cost": 1.02 * cost(model, 10 + number % 7),
        "metadata": {"spend_logs_metadata": {"routectl": entry}},
    }
    return payload(number, **(values | fields))


@pytest.fixture
def running(routectl: Routectl, tmp_path: Path) -> None:
    """A route that has run a1 and has decided 200 requests."""
    routectl("route", "set", "smart", *MODELS)
    before = [payload(n, startTime=1_780_000_000.0 + 7200.0 * n) for n in range(300, 340)]
    routectl("import", write_log(tmp_path / "before", before))
    routectl("calibrate", "--strong-fraction", "0.3", "--tolerance", "1", "-r", "length")
    assert routectl("activate", "--force").code == 0
    log = write_log(tmp_path / "log", [decided(n) for n in range(200)])
    assert routectl("import", log).code == 0


@pytest.mark.usefixtures("running")
def test_the_bills_are_those_that_a_hand_makes(routectl: Routectl) -> None:
    result = routectl("savings", "--json").json
    models = ["big" if n % 4 == 0 else "small" for n in range(200)]
    actual = sum(cost(model, 10 + n % 7) for n, model in enumerate(models))
    strong = sum(cost("big", 10 + n % 7) for n in range(200))
    weak = sum(cost("small", 10 + n % 7) for n in range(200))
    assert result["booked"] == {"strong_fraction": 0.25, "cost": pytest.approx(1.02 * actual)}
    assert result["priced"]["cost"] == pytest.approx(actual)
    assert result["always_strong"]["cost"] == pytest.approx(strong)
    assert result["always_weak"]["cost"] == pytest.approx(weak)
    assert result["saved"] == pytest.approx(strong - 1.02 * actual)
    days = 199 * 3600 / DAY
    # One request each hour: all days are alike.
    saved = (strong - 1.02 * actual) / days * 30
    assert result["saved_a_month"] == pytest.approx(saved, rel=0.01)
    calibration = routectl("show", "c1", "--json").json
    per_1000 = calibration["costs"]["per_1000_requests"]["this_threshold"]
    assert result["projected"]["cost"] == pytest.approx(per_1000 / 1000 * 200)
    assert result["projected"]["strong_fraction"] == calibration["strong_fraction"]
    assert (result["decided"], result["compared"], result["undecided"]) == (200, 200, 0)
    assert result["activations"] == ["a1"]
    assert result["first"].startswith("2026-09-21T14:13:20")


@pytest.mark.usefixtures("running")
def test_what_no_decision_sent_anywhere_is_counted_apart(
    routectl: Routectl, tmp_path: Path
) -> None:
    more = [
        decided(400, cache_hit=True, response_cost=0.0),
        decided(401, status="failure"),
        decided(402, entry={"reason": "no_text"}),
        decided(403, entry={"reason": "timeout"}),
        decided(405, model="big"),  # decided weak
        decided(406, model="gpt-4o"),
        decided(407, response_cost=None),
        decided(409, entry={"reason": "client_threshold"}),
        payload(408, startTime=1_790_000_000.0 + DAY, metadata={}, model_group="smart"),
    ]
    routectl("import", write_log(tmp_path / "more", more))
    result = routectl("savings", "--json").json
    counts = {
        "cache_hits": 1,
        "failed": 1,
        "fallbacks": 2,
        "overridden": 2,
        "other_models": 1,
        "decided": 206,
    }
    assert {name: result[name] for name in counts} == counts
    text = routectl("savings").out
    assert "2 answered by another model than was decided" in text
    assert "1 answered by none of the route's" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.usefixtures("running")
def test_a_row_of_a_sample_counts_for_all_that_it_stands_for(
    routectl: Routectl, database: Path
) -> None:
    whole = routectl("savings", "--json").json
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE requests SET weight = 4")
    weighted = routectl("savings", "--json").json
    for name in ("decided", "compared", "saved", "saved_a_month"):
        assert weighted[name] == pytest.approx(4 * whole[name])
    for bill in ("booked", "priced", "projected", "always_strong", "always_weak"):
        assert weighted[bill]["cost"] == pytest.approx(4 * whole[bill]["cost"])
        assert weighted[bill]["strong_fraction"] == pytest.approx(whole[bill]["strong_fraction"])


@pytest.mark.usefixtures("running")
def test_a_bill_that_is_far_from_the_prices_is_said(routectl: Routectl) -> None:
    assert "the booked cost is" not in routectl("savings").err
    routectl("route", "set", "smart", "--price", "big=1/4", "--price", "small=0.25/1")
    assert "the booked cost is" in routectl("savings").err


@pytest.mark.parametrize("strong_only", [True, False])
def test_a_booked_cost_of_nothing_for_a_model_with_a_price_is_no_saving(
    routectl: Routectl, tmp_path: Path, strong_only: bool
) -> None:
    """As LiteLLM books a model that it has no price for."""
    routectl("route", "set", "smart", *MODELS)
    entry = {"decision": "strong", "model": "big"} if strong_only else {}
    log = [decided(n, entry=dict(entry)) for n in range(100)]
    for record in log:
        model = record["metadata"]["spend_logs_metadata"]["routectl"]["model"]
        record["model"] = model
        if model == "big":
            record["response_cost"] = 0.0
    routectl("import", write_log(tmp_path / "log", log))
    result = routectl("savings", "--json").json
    assert result["unbooked"] == ["big"]
    assert result["booked"]["cost"] is None
    assert result["compared"] == 100
    assert result["saved"] == pytest.approx(
        result["always_strong"]["cost"] - result["priced"]["cost"]
    )
    if strong_only:
        assert result["saved"] == 0
    (said,) = [warning for warning in result["warnings"] if "books 0 USD" in warning]
    assert "every answer of big" in said


def test_a_model_that_is_declared_free_is_booked_at_nothing_rightly(
    routectl: Routectl, tmp_path: Path
) -> None:
    prices = ("--price", "big=2/8", "--price", "small=0/0")
    routectl("route", "set", "smart", "--strong", "big", "--weak", "small", *prices)
    log = [decided(n) for n in range(100)]
    log = [r | {"response_cost": 0.0} if r["model"] == "small" else r for r in log]
    # A hit is booked at nothing, whatever its model costs.
    hits = [decided(n, cache_hit=True, response_cost=0.0) for n in range(100, 120)]
    routectl("import", write_log(tmp_path / "log", log + hits))
    result = routectl("savings", "--json").json
    assert result["unbooked"] == []
    booked = sum(record["response_cost"] for record in log)
    assert result["booked"]["cost"] == pytest.approx(booked)
    assert result["saved"] == pytest.approx(result["always_strong"]["cost"] - booked)


def test_without_logged_decisions_it_is_one_sentence(routectl: Routectl, log: Path) -> None:
    routectl("import", log)
    one_sentence(
        routectl("savings"), "none of the 200 requests", "logged decision of the proxy", code=1
    )
    one_sentence(routectl("savings", "--since", "2027-01-01"), "no request of route", code=1)


def test_without_declared_models_the_booked_cost_is_all_there_is(
    routectl: Routectl, tmp_path: Path
) -> None:
    log = [decided(n, entry={"route": "default"}) for n in range(50)]
    routectl("import", write_log(tmp_path / "log", log))
    result = routectl("savings", "--json").json
    actual = sum(cost("big" if n % 4 == 0 else "small", 10 + n % 7) for n in range(50))
    assert result["booked"]["cost"] == pytest.approx(1.02 * actual)
    assert result["saved"] is None
    assert "no cost of always-strong" in routectl("savings").err
