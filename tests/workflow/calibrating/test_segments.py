"""`calibrate --by`: one policy with a threshold for each team, recorded, shown and exported."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from routectl.policy import Facts, Policy, decide
from routectl.routers import open_router
from tests.cli.test_bad_input import one_sentence
from tests.conftest import MODELS, Routectl, payload, write_log

CALIBRATE = ("calibrate", "-r", "length", "--strong-fraction", "0.3", "--by", "team")


def prompt(number: int, team: str | None) -> str:
    """Support asks at length."""
    return f"question {number}: " + "why? " * (number * 37 % 101 * (3 if team == "support" else 1))


def records(count: int = 600) -> list[dict[str, Any]]:
    """Requests of two teams, of one with a single request, and of none, over ten days."""
    teams = ("search", "support", None)
    named = [(number, teams[number % 3]) for number in range(count)]
    named[5] = (5, "alone")
    return [
        payload(
            number,
            prompt(number, team),
            startTime=1_790_000_000.0 + 1440 * number,
            metadata={
                "user_api_key_team_alias": team,
                "user_api_key_alias": "a key" if number % 2 else None,
            },
        )
        for number, team in named
    ]


@pytest.fixture
def imported(routectl: Routectl, tmp_path: Path) -> Routectl:
    """A log of teams, on a route with prices."""
    routectl("route", "set", "smart", *MODELS)
    routectl("import", write_log(tmp_path / "teams.jsonl", records()))
    return routectl


def test_the_stored_policy_decides_the_log_as_the_calibration_says(imported: Routectl) -> None:
    (answer,) = imported(*CALIBRATE, "--json").json
    policy = Policy.from_json(answer["policy"])
    assert policy.segment_field == "team"
    assert sorted(policy.segments) == ["search", "support"]
    requests = [
        (record["messages"][0]["content"], record["metadata"]["user_api_key_team_alias"])
        for record in records()
    ]
    scores = open_router("length").load().strong_win_rates([text for text, _ in requests])
    strong = decide(policy, scores, Facts(segment=[team for _, team in requests])).model == 1
    assert answer["strong_fraction"] == strong.mean()
    by_segment = {cut["segment"]: cut for cut in answer["segments"]["cuts"]}
    for name in ("search", "support", None):
        rows = [team == name or (name is None and team == "alone") for _, team in requests]
        assert by_segment[name]["strong_fraction"] == strong[np.array(rows)].mean()
        assert by_segment[name]["requests"] == sum(rows)
    assert by_segment["support"]["threshold"] > by_segment["search"]["threshold"]
    saved = sum(cut["saved_a_month"] for cut in by_segment.values())
    assert saved == pytest.approx(answer["costs"]["month"]["saved"])
    assert (answer["segments"]["field"], answer["segments"]["pooled"]) == ("team", 1)
    assert answer["config_string"] is None


def test_show_prints_again_what_calibrate_printed_and_every_line_fits(imported: Routectl) -> None:
    printed = imported(*CALIBRATE)
    assert printed.code == 0
    words = " ".join(printed.out.split())
    assert "A team has a threshold of its own from 100 independent requests on" in words
    assert "1 smaller one, requests without a team" in words
    assert imported("show", "c1").out == printed.out
    assert imported("show", "c1", "--json").json["segments"]["field"] == "team"
    assert "0.5" in printed.out
    assert max(map(len, printed.out.splitlines())) <= 100
    assert "and 2 teams" in imported("history").out


def test_what_is_recorded_is_what_the_policy_says(imported: Routectl, database: Path) -> None:
    (answer,) = imported(*CALIBRATE, "--json").json
    with sqlite3.connect(database) as connection:
        policy, details = connection.execute("SELECT policy, details FROM calibrations").fetchone()
    connection.close()
    assert json.loads(policy)["version"] == 3
    assert json.loads(details)["segments"] == answer["segments"]
    plain = imported(*CALIBRATE[:-2], "--json").json[0]["policy"]
    assert plain["version"] == 1
    assert "segment_field" not in plain


def test_a_dry_run_says_the_same_and_records_nothing(imported: Routectl) -> None:
    (dry,) = imported(*CALIBRATE, "--dry-run", "--json").json
    (recorded,) = imported(*CALIBRATE, "--json").json
    assert (dry["calibration_id"], recorded["calibration_id"]) == (None, 1)
    assert dry["segments"] == recorded["segments"]


def test_exports_hold_the_segments_and_the_bare_string_refuses(imported: Routectl) -> None:
    imported(*CALIBRATE)
    activated = imported("activate", "--force", "--json")
    assert activated.json["runs"].startswith("length ")
    one_sentence(imported("export"), "segments or more models")
    said = imported("export", "--format", "json").json
    thresholds = said["segments"]
    assert (said["config_string"], said["segment_field"]) == (None, "team")
    assert sorted(thresholds) == ["search", "support"]
    assert said["policy_version"] == 3
    env = imported("export", "--format", "env").out
    assert f"ROUTECTL_SEGMENTS='{json.dumps(thresholds)}'" in env
    assert "segment_field: team" in imported("export", "--format", "yaml").out
    routes = imported("export", "--format", "routes").json
    assert sorted(routes["routes"]["smart"]["policy"]["segments"]) == ["search", "support"]
    assert "auto_router/complexity_router/smart" in imported("export", "--format", "litellm").out


def find(value: Any, key: str) -> Any:
    """The first value under a key, at any depth."""
    if isinstance(value, dict):
        if key in value:
            return value[key]
        value = list(value.values())
    inside = (find(part, key) for part in value) if isinstance(value, list) else ()
    return next((part for part in inside if part is not None), None)


def test_diff_decides_by_segment_too(imported: Routectl) -> None:
    imported(*CALIBRATE)
    imported(*CALIBRATE[:-2])
    differing = imported("diff", "c1", "c2", "--since", "2020-01-01", "--json").json
    (recorded,) = imported("history", "--json").json["calibrations"][1:]
    assert recorded["calibration_id"] == 1
    before = find(differing, "strong_fraction_before")
    assert before == pytest.approx(recorded["strong_fraction"])


def test_a_guarantee_is_given_to_each_segment(imported: Routectl) -> None:
    printed = imported(*CALIBRATE, "--guarantee", "0.9", "--json").json[0]
    assert all(cut["guaranteed"] <= 0.3 for cut in printed["segments"]["cuts"])
    assert printed["guaranteed"] <= 0.3
    table = imported("show", "c1").out
    assert "at most" in table
    assert max(map(len, table.splitlines())) <= 100


def test_a_segment_with_a_tie_exits_with_3_and_is_named(routectl: Routectl, tmp_path: Path) -> None:
    rows = records()
    for row in rows:
        if row["metadata"]["user_api_key_team_alias"] == "support":
            number = int(row["id"].partition("-")[2])
            row["messages"] = [{"role": "user", "content": f"why {number:06}?"}]
    routectl("import", write_log(tmp_path / "tie.jsonl", rows))
    missed = routectl(*CALIBRATE)
    assert missed.code == 3
    assert "missed by more than the tolerance in a segment: support " in missed.err
    assert "--tolerance 0.02: length, in a segment: support " in missed.err


def test_by_model_group_is_not_for_litellm(imported: Routectl) -> None:
    answer = imported(*CALIBRATE[:-1], "model_group")
    assert answer.code == 0
    assert "behind LiteLLM every request of a route has the route's name" in answer.err
    assert max(map(len, answer.out.splitlines())) <= 100
    imported("activate", "--force")
    one_sentence(imported("export", "--format", "litellm"), "segments of the route 'smart' are by")


def test_segments_that_cannot_be_are_one_sentence_and_nothing_is_recorded(
    routectl: Routectl, log: Path, tmp_path: Path
) -> None:
    routectl("import", log)
    one_sentence(routectl(*CALIBRATE), "no request of the population has a team")
    alone = [
        payload(number, metadata={"user_api_key_team_alias": f"team {number}"})
        for number in range(1000, 1200)
    ]
    routectl("import", write_log(tmp_path / "alone.jsonl", alone))
    one_sentence(routectl(*CALIBRATE), "no team has 100 requests")
    assert routectl(*CALIBRATE).code == 1
    assert routectl("history", "--json").json["calibrations"] == []
