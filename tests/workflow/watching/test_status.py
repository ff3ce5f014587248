"""`status` says each morning whether what runs still holds, and what to do where it does not."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text

from routectl.store.engine import Location
from routectl.store.opening import open_store
from tests.conftest import MODELS, Result, Routectl, payload, write_log

HOUR = 3600.0


def recent(count: int, *, newest: float = 60.0, every: float = HOUR, **fields: Any) -> list[Any]:
    """Calls up to `newest` seconds ago, one `every` so many seconds."""
    last = time.time() - newest
    return [payload(n, startTime=last - every * (count - 1 - n), **fields) for n in range(count)]


def of_this_month(fields: list[dict[str, Any]]) -> list[Any]:
    """A call with these fields each, from the month's first second (UTC) up to now."""
    start = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    span = max((datetime.now(UTC) - start).total_seconds() - 1, 1.0)
    times = (start.timestamp() + span * n / len(fields) for n in range(len(fields)))
    return [
        payload(n, startTime=time, **one)
        for n, (time, one) in enumerate(zip(times, fields, strict=True))
    ]


def decided(record: dict[str, Any], **entry: Any) -> dict[str, Any]:
    """The record as the proxy's plug-in logs it."""
    written = {"route": "default", "decision": "strong", "reason": "threshold", **entry}
    return record | {"metadata": {"spend_logs_metadata": {"routectl": written}}}


def calibrated(routectl: Routectl, log: Path) -> None:
    routectl("import", log)
    done = routectl("calibrate", "--strong-fraction", "0.3", "--tolerance", "1", "-r", "length")
    assert done.code == 0, done.err
    assert routectl("activate", "--force").code == 0


def change(url: str, statement: str) -> None:
    with open_store(Location.parse(url)) as store, store.write() as connection:
        connection.execute(text(statement))


def checks(done: Result) -> list[str]:
    return [problem["check"] for route in done.json for problem in route["problems"]]


def test_a_route_that_holds_is_one_line_and_no_reason(routectl: Routectl, tmp_path: Path) -> None:
    calibrated(routectl, write_log(tmp_path / "log.jsonl", recent(200)))
    done = routectl("status")
    assert done.code == 0, done.out
    *header, line = done.out.splitlines()
    assert line.split()[:3] == ["default", "a1", line.split()[2]]
    assert line.split()[2].startswith("router-length-0.")
    assert max(map(len, (*header, line))) <= 100

    (route,) = routectl("status", "--json").json
    assert route["activation_id"] == 1
    assert route["calibration_id"] == 1
    assert route["unscored"] == 0
    assert route["problems"] == []
    assert datetime.now(UTC) - datetime.fromisoformat(route["newest_request"]) < timedelta(hours=1)


def test_the_share_is_of_the_seven_days_up_to_the_newest_request(
    routectl: Routectl, tmp_path: Path
) -> None:
    long, short = "why? " * 300, "why?"
    before = [r | {"id": f"b{n}"} for n, r in enumerate(recent(50, newest=9 * 24 * HOUR))]
    week = [
        record | {"messages": [{"role": "user", "content": long if n % 4 == 0 else short}]}
        for n, record in enumerate(recent(100))
    ]
    calibrated(routectl, write_log(tmp_path / "log.jsonl", before + week))
    (route,) = routectl("status", "--json").json
    assert route["requests"] == 100
    assert route["strong_fraction"] == pytest.approx(0.25)


def test_old_traffic_is_said_and_may_be_allowed(routectl: Routectl, tmp_path: Path) -> None:
    calibrated(routectl, write_log(tmp_path / "log.jsonl", recent(50, newest=50 * HOUR)))
    done = routectl("status")
    assert done.code == 3
    (reason,) = [line for line in done.out.splitlines() if line.startswith("!")]
    assert "newest request" in reason
    assert "--max-age" in reason
    assert checks(routectl("status", "--json")) == ["traffic_age"]
    assert routectl("status", "--max-age", "3d").code == 0
    assert routectl("status", "--max-age", "soon").code == 2


def test_a_request_of_the_future_does_not_silence_the_age(
    routectl: Routectl, tmp_path: Path
) -> None:
    log = [*recent(50, newest=50 * HOUR), payload(999, startTime=time.time() + 400 * 24 * HOUR)]
    calibrated(routectl, write_log(tmp_path / "log.jsonl", log))
    assert checks(routectl("status", "--json")) == ["traffic_age"]


def test_unscored_requests_are_said_and_scored_by_what_runs(
    routectl: Routectl, tmp_path: Path
) -> None:
    calibrated(routectl, write_log(tmp_path / "log.jsonl", recent(100)))
    more = [r | {"id": f"m{n}"} for n, r in enumerate(recent(4, prompt="another one"))]
    routectl("import", write_log(tmp_path / "more.jsonl", more))
    done = routectl("status", "--json")
    assert (done.code, checks(done)) == (3, ["unscored"])
    assert done.json[0]["unscored"] == pytest.approx(4 / 104)
    # Without options it is the router that runs, not the default one.
    (scored,) = routectl("score", "--json").json
    assert (scored["router"], scored["scored"]) == ("length", 1)
    assert routectl("status").code == 0


def test_what_has_no_prompt_or_lost_its_text_is_not_unscored(
    routectl: Routectl, tmp_path: Path, database_url: str
) -> None:
    calibrated(routectl, write_log(tmp_path / "log.jsonl", recent(100)))
    redacted = [r | {"id": f"r{n}"} for n, r in enumerate(recent(9, prompt="redacted-by-litellm"))]
    purged = [r | {"id": f"p{n}"} for n, r in enumerate(recent(9, prompt="to be purged"))]
    routectl("import", write_log(tmp_path / "more.jsonl", redacted + purged))
    change(database_url, "UPDATE prompts SET text = NULL WHERE text = 'to be purged'")
    (route,) = routectl("status", "--json").json
    assert (route["requests"], route["unscored"]) == (118, 0)


def test_requests_of_another_extraction_version_have_no_score_that_decides(
    routectl: Routectl, tmp_path: Path, database_url: str
) -> None:
    calibrated(routectl, write_log(tmp_path / "log.jsonl", recent(100)))
    change(database_url, "UPDATE requests SET extraction_version = 99 WHERE id <= 10")
    done = routectl("status")
    assert done.code == 3
    assert "another version of the text extraction" in done.out


def test_a_logged_activation_that_is_not_the_active_one_is_said(
    routectl: Routectl, tmp_path: Path, database_url: str
) -> None:
    calibrated(routectl, write_log(tmp_path / "log.jsonl", recent(100)))
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat(" ")
    now = [decided(r, activation="a1") for r in recent(2)]
    routectl("import", write_log(tmp_path / "now.jsonl", [r | {"id": f"n{r['id']}"} for r in now]))
    (route,) = routectl("status", "--json").json
    assert (route["decided_by"], route["problems"]) == ("a1", [])

    # The newest decision is older than the newest activation: nothing is known of it yet.
    routectl("activate", "--always-weak")
    assert checks(routectl("status", "--json")) == []
    done = routectl("status")
    assert done.code == 0
    with open_store(Location.parse(database_url)) as store, store.write() as connection:
        statement = text(
            "INSERT INTO activations (route_id, mode, calibration_id, restores_id, actor, note, "
            "created_at, policy) SELECT route_id, mode, calibration_id, 1, actor, note, "
            ":time, NULL FROM activations WHERE id = 1"
        )
        connection.execute(statement, {"time": hour_ago})
    done = routectl("status")
    assert done.code == 3
    assert "the proxy decided by a1" in done.out
    assert "a3 is active" in done.out


def test_an_activation_that_has_expired_is_said(
    routectl: Routectl, tmp_path: Path, database_url: str
) -> None:
    calibrated(routectl, write_log(tmp_path / "log.jsonl", recent(50)))
    times = {
        "ahead": datetime.now(UTC) + timedelta(days=9, hours=1),
        "passed": datetime.now(UTC) - timedelta(days=1),
    }
    for which, code, shown in (("ahead", 0, "in 9d"), ("passed", 3, "passed")):
        with open_store(Location.parse(database_url)) as store, store.write() as connection:
            statement = text(
                "INSERT INTO activations (route_id, mode, calibration_id, actor, created_at, "
                "expires_at) SELECT route_id, mode, calibration_id, actor, created_at, :time "
                "FROM activations WHERE id = 1"
            )
            connection.execute(statement, {"time": times[which].isoformat(" ")})
        done = routectl("status")
        assert (done.code, shown in done.out) == (code, True), done.out


def test_a_route_that_runs_nothing_is_said_and_is_no_reason(routectl: Routectl) -> None:
    routectl("route", "set", "smart", *MODELS)
    done = routectl("status")
    assert done.code == 0
    assert "nothing yet" in done.out
    (route,) = routectl("status", "--json").json
    assert route["activation_id"] is None
    routectl("route", "set", "batch", *MODELS)
    assert len(routectl("status", "--json").json) == 2
    (route,) = routectl("status", "--route", "batch", "--json").json
    assert route["route"] == "batch"
    assert routectl("status", "--route", "none").code == 1


def test_a_route_that_sends_all_to_one_model_has_an_age_and_no_share(
    routectl: Routectl, tmp_path: Path
) -> None:
    routectl("import", write_log(tmp_path / "log.jsonl", recent(20)))
    routectl("activate", "--always-weak")
    (route,) = routectl("status", "--json").json
    assert route["runs"] == "always-weak"
    assert (route["strong_fraction"], route["unscored"]) == (None, None)
    assert route["requests"] == 20
    assert routectl("status").code == 0


def test_the_month_is_what_the_log_booked(routectl: Routectl, tmp_path: Path) -> None:
    this_month = of_this_month([{"response_cost": 0.5}] * 10)
    before = [r | {"id": f"b{n}"} for n, r in enumerate(recent(20, newest=32 * 24 * HOUR))]
    calibrated(routectl, write_log(tmp_path / "log.jsonl", before + this_month))
    (route,) = routectl("status", "--json", "--max-age", "40d").json
    assert route["month"]["booked"] == pytest.approx(5.0)
    assert route["month"]["known_share"] == 1.0


def test_a_model_that_is_booked_at_nothing_for_want_of_a_price_is_said_next_to_the_month(
    routectl: Routectl, tmp_path: Path
) -> None:
    """As LiteLLM books a model that it has no price for; a hit costs nothing in any case."""
    routectl("route", "set", "smart", *MODELS)
    strong = {"model": "big", "response_cost": 0.5}
    weak = {"model": "small", "response_cost": 0.0}
    hit = {"model": "other", "response_cost": 0.0, "cache_hit": True}
    log = of_this_month([strong] * 20 + [weak] * 20 + [hit] * 10)
    calibrated(routectl, write_log(tmp_path / "log.jsonl", log))
    (route,) = routectl("status", "--json").json
    assert route["month"]["unbooked"] == ["small"]
    assert route["month"]["booked"] == pytest.approx(10)
    assert route["month"]["known_share"] == pytest.approx(30 / 50)
    said = routectl("status").err
    assert "0 USD for every answer of small" in said
    assert "neither month nor budget of smart has them" in said.replace("\n", " ")

    routectl("route", "set", "smart", "--price", "small=0/0")
    assert routectl("status", "--json").json[0]["month"]["unbooked"] == []
    assert "0 USD" not in routectl("status").err


def test_prometheus_reads_the_file_and_it_is_replaced_each_night(
    routectl: Routectl, tmp_path: Path
) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    calibrated(routectl, write_log(tmp_path / "log.jsonl", recent(50, newest=50 * HOUR)))
    file = tmp_path / "routectl.prom"
    for _ in range(2):
        assert routectl("status", "--prometheus", file).code == 3
    samples = {
        (sample.name, sample.labels.get("check")): sample
        for family in text_string_to_metric_families(file.read_text())
        for sample in family.samples
    }
    assert samples["routectl_active_info", None].labels["activation"] == "a1"
    assert samples["routectl_check_failed", "traffic_age"].value == 1
    assert samples["routectl_check_failed", "unscored"].value == 0
    assert samples["routectl_newest_request_timestamp_seconds", None].value < time.time()
    assert file.stat().st_mode & 0o777 == 0o644

    other = tmp_path / "other.prom"
    other.write_text("node_metric 1\n")
    assert routectl("status", "--prometheus", other).code == 2
    assert other.read_text() == "node_metric 1\n"


@pytest.mark.parametrize(("budget", "code"), [(2000.0, 3), (1e9, 0)])
def test_a_month_that_will_cost_more_than_the_budget_is_said(
    routectl: Routectl, tmp_path: Path, database_url: str, budget: float, code: int
) -> None:
    # A hundred dollars a day for four weeks.
    log = recent(28 * 10, every=2.4 * HOUR, response_cost=10.0)
    calibrated(routectl, write_log(tmp_path / "log.jsonl", log))
    with open_store(Location.parse(database_url)) as store, store.write() as connection:
        names = [c for c in columns(connection, "calibrations") if c not in ("id", "target")]
        copied = ", ".join(names)
        target = json.dumps(
            {"budget": budget, "per": "month", "currency": "USD", "tolerance": 0.02}
        )
        statement = f"INSERT INTO calibrations (target, {copied}) SELECT :target, {copied} "
        connection.execute(text(f"{statement} FROM calibrations"), {"target": target})
        statement = "INSERT INTO activations (route_id, mode, calibration_id, actor, created_at) "
        connection.execute(
            text(f"{statement} SELECT route_id, mode, 2, actor, created_at FROM activations")
        )
    done = routectl("status", "--json")
    if datetime.now(UTC).day > 1:
        month = done.json[0]["month"]
        assert month["budget"] == budget
        assert month["projected"] == pytest.approx(3000, rel=0.1)
        assert done.code == code
        assert (checks(done) == ["budget"]) is (code == 3)
        shown = routectl("status").out.splitlines()
        assert "budget" in shown[0]
        assert max(len(line) for line in shown if not line.startswith("!")) <= 100


def columns(connection: Connection, table: str) -> list[str]:
    return [column["name"] for column in inspect(connection).get_columns(table)]
