"""What another threshold would move, among requests whose scores are there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.test_bad_input import one_sentence
from tests.conftest import MODELS, Routectl, payload, write_log

CALIBRATE = ("calibrate", "--tolerance", "1", "-r", "length", "--strong-fraction")
DAY = 86_400.0


def record(number: int, **fields: object) -> dict[str, object]:
    """One of 400 requests over sixteen days, of two teams."""
    team = "web" if number % 4 else "batch"
    time = 1_790_000_000.0 + 3600.0 * number
    return payload(number, startTime=time, metadata={"user_api_key_team_alias": team}, **fields)


@pytest.fixture
def two(routectl: Routectl, tmp_path: Path) -> None:
    """A route with two calibrations: c1 sends 50 % to the strong model, c2 20 %."""
    routectl("route", "set", "smart", *MODELS)
    routectl("import", write_log(tmp_path / "log", [record(n) for n in range(400)]))
    for share in ("0.5", "0.2"):
        assert routectl(*CALIBRATE, share).code == 0


def rows(database: Path, since: float) -> list[tuple[float, str]]:
    """Score and team of each request from a time on."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(
            "SELECT win_rate, team FROM requests JOIN scores USING (prompt_id) WHERE time >= ?",
            (since,),
        ).fetchall()


def thresholds(routectl: Routectl) -> list[float]:
    calibrations = routectl("history", "--json").json["calibrations"]
    return [float(one["threshold"]) for one in reversed(calibrations)]


@pytest.mark.usefixtures("two")
def test_the_moves_of_the_last_seven_days_are_those_between_the_two_thresholds(
    routectl: Routectl, database: Path
) -> None:
    high, low = thresholds(routectl)[1], thresholds(routectl)[0]
    newest = 1_790_000_000.0 + 3600.0 * 399
    window = rows(database, newest - 7 * DAY)
    moved = [team for score, team in window if low <= score < high]

    result = routectl("diff", "c1", "c2", "--json").json

    assert result["requests"] == len(window) == 169
    assert (result["weaker"], result["stronger"]) == (len(moved), 0)
    assert {s["value"]: s["weaker"] for s in result["segments"]} == {
        team: moved.count(team) for team in ("web", "batch")
    }
    assert result["cost_a_month_change"] < 0
    back = routectl("diff", "c2", "c1", "--json").json
    assert (back["weaker"], back["stronger"]) == (0, len(moved))
    assert back["cost_a_month_change"] == pytest.approx(-result["cost_a_month_change"])


@pytest.mark.usefixtures("two")
def test_a_month_of_the_difference_is_priced_by_hand(routectl: Routectl, tmp_path: Path) -> None:
    low, high = thresholds(routectl)
    result = routectl("diff", "c1", "c2", "--since", "2026-09-01", "--json").json
    with closing(sqlite3.connect(tmp_path / "routectl.db")) as connection:
        tokens = connection.execute(
            "SELECT tokens_in, tokens_out FROM requests JOIN scores USING (prompt_id) "
            "WHERE win_rate >= ? AND win_rate < ?",
            (low, high),
        ).fetchall()
    saved = sum((2 - 0.25) * read + (8 - 1) * written for read, written in tokens) / 1e6
    days = 399 * 3600 / DAY
    # One request each hour: all days are alike.
    assert result["cost_a_month_change"] == pytest.approx(-saved / days * 30, rel=0.01)


@pytest.mark.usefixtures("two")
def test_a_request_of_a_sample_counts_for_all_that_it_stands_for(
    routectl: Routectl, tmp_path: Path, database: Path
) -> None:
    whole = routectl("diff", "c1", "c2", "--json").json
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE requests SET weight = 5")
    weighted = routectl("diff", "c1", "c2", "--json").json
    for name in ("requests", "moved", "weaker", "cost_a_month_change"):
        assert weighted[name] == pytest.approx(5 * whole[name])


@pytest.mark.usefixtures("two")
def test_different_routers_are_compared_and_what_one_has_not_scored_is_counted(
    routectl: Routectl, tmp_path: Path
) -> None:
    routectl("calibrate", "--tolerance", "1", "-r", "random", "--strong-fraction", "0.5")
    routectl("import", write_log(tmp_path / "more", [record(n) for n in range(400, 440)]))
    routectl("score", "-r", "length")
    result = routectl("diff", "c1", "c3")
    assert "40 requests have no score by a router of the two" in result.err
    as_json = routectl("diff", "c1", "c3", "--json").json
    assert as_json["unscored"] == 40
    assert as_json["weaker"] > 0
    assert as_json["stronger"] > 0
    assert len(as_json["warnings"]) == 1


@pytest.mark.usefixtures("two")
def test_an_activation_is_compared_by_what_it_runs(routectl: Routectl) -> None:
    routectl("activate", "c1", "--force")
    routectl("activate", "--always-strong")
    by_activation = routectl("diff", "a1", "c2", "--json").json
    assert by_activation["moved"] == routectl("diff", "c1", "c2", "--json").json["moved"]
    all_strong = routectl("diff", "a2", "c2", "--json").json
    assert all_strong["strong_fraction_before"] == 1.0
    assert all_strong["weaker"] == all_strong["requests"] * (
        1 - all_strong["strong_fraction_after"]
    )


@pytest.mark.usefixtures("two")
def test_two_routes_are_refused_in_one_sentence(routectl: Routectl) -> None:
    routectl("route", "set", "batch", *MODELS, "--where", "team=batch")
    routectl(*CALIBRATE, "0.3", "--route", "batch")
    one_sentence(routectl("diff", "c1", "c3"), "c1 is of route 'smart'", "c3 of 'batch'", code=2)


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (("c1", "c9"), ("no calibration c9",), 1),
        (("a1", "c1"), ("no activation a1",), 1),
        (("c1", "e2"), ("e2 is an evaluation", "a calibration or an activation"), 2),
        (("c1", "c2", "--where", "team=none"), ("no request matches", "team=none"), 1),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(
    routectl: Routectl, arguments: tuple[str, ...], words: tuple[str, ...], code: int
) -> None:
    one_sentence(routectl("diff", *arguments), *words, code=code)


def test_without_prices_the_moves_are_said_and_no_dollars(routectl: Routectl, log: Path) -> None:
    routectl("import", log)
    for share in ("0.5", "0.2"):
        routectl(*CALIBRATE, share)
    result = routectl("diff", "c1", "c2")
    assert result.code == 0
    assert "no USD: the route declares no models" in result.out
    assert max(map(len, result.out.splitlines())) <= 100


def test_what_the_weak_model_cannot_take_is_strong_in_a_comparison_too(
    routectl: Routectl, tmp_path: Path
) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    rows = [
        record(n) | ({"model_parameters": {"tools": tools}} if n % 4 == 0 else {})
        for n in range(400)
    ]
    routectl("import", write_log(tmp_path / "log", rows))
    routectl("route", "set", "smart", *MODELS, "--limit", "small=no-tools")
    for share in ("0.5", "0.3"):
        routectl(*CALIBRATE, share)
    shares = [c["strong_fraction"] for c in routectl("history", "--json").json["calibrations"]]
    result = routectl("diff", "c1", "c2", "--since", "2026-09-01", "--json").json
    assert [result["strong_fraction_after"], result["strong_fraction_before"]] == pytest.approx(
        shares
    )
    assert shares[0] > 0.25
