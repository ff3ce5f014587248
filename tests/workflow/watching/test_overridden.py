"""A route that its policy does not decide is told from one that it does, wherever one looks."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from routectl.store.engine import Location
from routectl.store.opening import open_store
from tests.conftest import MODELS, Result, Routectl, payload, write_log

HOUR = 3600.0
HOURS = 20
COUNT = 370


@pytest.fixture
def database_url(any_database_url: str) -> str:
    return any_database_url


@pytest.fixture
def running(routectl: Routectl, tmp_path: Path, database_url: str) -> Routectl:
    """A route that has run a2 for seven days; nothing of its proxy's log was imported."""
    routectl("route", "set", "smart", *MODELS)
    before = [
        payload(n, startTime=time.time() - 9 * 24 * HOUR - 600 * n, model_group="smart")
        for n in range(1000, 1060)
    ]
    routectl("import", write_log(tmp_path / "before.jsonl", before))
    target = ("--strong-fraction", "0.3", "--tolerance", "1", "-r", "length")
    assert routectl("calibrate", *target).code == 0
    assert routectl("activate", "--force").code == 0
    began = (datetime.now(UTC) - timedelta(days=7)).isoformat(" ")
    with open_store(Location.parse(database_url)) as store, store.write() as connection:
        statement = text(
            "INSERT INTO activations (route_id, mode, calibration_id, actor, created_at, policy) "
            f"SELECT route_id, mode, calibration_id, actor, '{began}', policy FROM activations"
        )
        connection.execute(statement)
    return routectl


def calls(
    count: int = COUNT, first: int = 0, ago: float = 60, **fields: Any
) -> list[dict[str, Any]]:
    """Calls of 20 hours, the newest so many seconds ago."""
    every = HOURS * HOUR / count
    return [
        payload(n, startTime=time.time() - ago - every * (first + count - 1 - n), **fields)
        for n in range(first, first + count)
    ]


def by_litellm(record: dict[str, Any], entry: object = {}) -> dict[str, Any]:
    """A call that LiteLLM's router sent to its default model, for want of an answer of ours.

    Args:
        entry: what our callback put into the record; None where it did not run.
    """
    routing = {
        "routed_model": "big",
        "router_model_name": "smart",
        "cause": "default_model_fallback",
    }
    logged = {} if entry is None else {"spend_logs_metadata": {"routectl": entry}}
    return record | {"model": "big", "metadata": {"routing_decision": routing, **logged}}


def by_policy(record: dict[str, Any], **entry: Any) -> dict[str, Any]:
    written = {
        "route": "smart",
        "decision": "strong",
        "model": "big",
        "reason": "threshold",
        "activation": "a2",
        "would_be": "strong",
        "would_be_reason": "threshold",
        **entry,
    }
    routing = {
        "routed_model": written["model"],
        "router_model_name": "smart",
        "cause": "classifier_plugin",
    }
    metadata = {"spend_logs_metadata": {"routectl": written}, "routing_decision": routing}
    return record | {"model": "big", "metadata": metadata}


def looked_at(routectl: Routectl, log: Path) -> Result:
    """`status` in JSON, after the nightly line."""
    assert routectl("import", log).code == 0
    routectl("score")
    return routectl("status", "--json")


def overridden(done: Result) -> list[str]:
    (route,) = done.json
    return [p["sentence"] for p in route["problems"] if p["check"] == "overridden"]


@pytest.mark.parametrize("entry", [{}, None], ids=["without routes", "without the callback"])
def test_a_proxy_whose_plug_in_does_not_decide_is_said_everywhere(
    running: Routectl, tmp_path: Path, entry: object
) -> None:
    log = write_log(tmp_path / "log.jsonl", [by_litellm(record, entry) for record in calls()])
    done = looked_at(running, log)
    (sentence,) = overridden(done)
    assert done.code == 3
    assert "370 of the 370 requests" in sentence
    assert "ROUTECTL_ROUTES" in sentence
    assert sentence in running("status").out
    served = done.json[0]["served"]
    assert (served["requests"], served["by_policy"], served["overridden"]) == (370, 0, 370)

    savings = running("savings", "--since", "6d", "--json").json
    assert (savings["decided"], savings["overridden"], savings["not_by_policy"]) == (0, 370, 370)
    assert savings["saved"] is None
    assert savings["booked"]["cost"] is None
    shown = running("savings", "--since", "6d")
    assert shown.code == 0
    headline = shown.out.splitlines()[0]
    assert "370 of the 370 requests with a decision were not decided by the route's" in headline

    drift = running("drift")
    assert "370 of the 370 requests" in drift.out
    assert running("drift", "--json").json[0]["served"]["overridden"] == 370

    doctor = running("doctor", "--json")
    (check,) = [c for c in doctor.json["checks"] if c["name"] == "decisions of smart"]
    assert doctor.code == 3
    assert check["result"] == "failed"
    assert "ROUTECTL_ROUTES" in check["setting"]


def test_a_route_that_its_policy_decides_is_no_problem_and_a_few_overridden_are_none(
    running: Routectl, tmp_path: Path
) -> None:
    records = calls(100)
    few = [by_litellm(r) if n < 5 else by_policy(r) for n, r in enumerate(records)]
    done = looked_at(running, write_log(tmp_path / "log.jsonl", few))
    assert (done.code, overridden(done)) == (0, [])
    assert done.json[0]["served"]["overridden"] == 5
    doctor = running("doctor", "--json").json["checks"]
    assert [c["result"] for c in doctor if c["name"] == "decisions of smart"] == ["ok"]

    more = [by_litellm(record) for record in calls(2, first=100)]
    done = looked_at(running, write_log(tmp_path / "more.jsonl", more))
    (sentence,) = overridden(done)
    assert (done.code, "7 of the 102 requests" in sentence) == (3, True)


def test_savings_put_what_something_else_decided_in_no_bill(
    running: Routectl, tmp_path: Path
) -> None:
    weak = {"decision": "weak", "model": "small", "would_be": "weak"}
    log = [
        by_policy(r, **weak) | {"model": "small"} if n % 2 else by_litellm(r)
        for n, r in enumerate(calls(100))
    ]
    running("import", write_log(tmp_path / "log.jsonl", log))
    result = running("savings", "--since", "6d", "--json").json
    assert (result["decided"], result["compared"], result["not_by_policy"]) == (50, 50, 50)
    assert result["booked"]["strong_fraction"] == 0
    (said,) = [warning for warning in result["warnings"] if "no bill has them" in warning]
    assert "50 of the 100 requests" in said
    assert said in running("savings", "--since", "6d").err.replace("\n", " ")


def test_requests_that_no_policy_was_asked_about_are_no_problem(
    running: Routectl, tmp_path: Path
) -> None:
    own = [by_policy(record) for record in calls(20)]
    others = [
        *(by_litellm(r) | {"cache_hit": True} for r in calls(20, first=100)),
        *(by_litellm(r) | {"status": "failure"} for r in calls(20, first=200)),
        *(by_litellm(r) | {"messages": []} for r in calls(20, first=300)),
        *(by_policy(r, reason="client_threshold") for r in calls(20, first=400)),
    ]
    done = looked_at(running, write_log(tmp_path / "log.jsonl", [*own, *others]))
    assert overridden(done) == []
    assert done.json[0]["served"]["requests"] == 20


def test_before_the_log_names_the_route_a_missing_decision_is_normal(
    running: Routectl, tmp_path: Path
) -> None:
    done = looked_at(running, write_log(tmp_path / "log.jsonl", calls(50)))
    assert (done.code, overridden(done)) == (0, [])


def test_calls_of_the_route_without_any_decision_after_it_had_some_are_said(
    running: Routectl, tmp_path: Path
) -> None:
    records = calls(100)
    log = [by_policy(r) if n < 50 else r for n, r in enumerate(records)]
    (sentence,) = overridden(looked_at(running, write_log(tmp_path / "log.jsonl", log)))
    assert "50 of the 100 requests" in sentence
    assert "50 without any decision" in sentence


def test_what_was_overridden_before_the_activation_is_not_counted(
    running: Routectl, tmp_path: Path
) -> None:
    log = [by_litellm(r) for r in calls(50)]
    running("import", write_log(tmp_path / "log.jsonl", log))
    running("score")
    assert running("activate", "c1", "--force", "--note", "repaired").code == 0
    assert overridden(running("status", "--json")) == []


def test_a_repair_is_seen_as_soon_as_the_requests_before_it_are_a_day_old(
    running: Routectl, tmp_path: Path
) -> None:
    broken = [by_litellm(record) for record in calls(100, ago=25 * HOUR)]
    repaired = [by_policy(record) for record in calls(100, first=100)]
    done = looked_at(running, write_log(tmp_path / "log.jsonl", [*broken, *repaired]))
    assert (done.code, overridden(done)) == (0, [])
    assert done.json[0]["served"]["requests"] == 100
