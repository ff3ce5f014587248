"""`calibrate --unit conversation`: the first human text of a conversation decides all of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from routectl.proxy import Decider, Decision, Running
from tests.cli.test_bad_input import one_sentence
from tests.conftest import MODELS, Routectl, payload, write_log

CALIBRATE = ("calibrate", "-r", "length", "--strong-fraction", "0.3", "--unit", "conversation")
DAY = 86_400.0


def said(number: int) -> str:
    return f"question {number}: " + "why? " * (number * 37 % 101)


def conversations(days: int = 16, a_day: int = 12) -> list[dict[str, Any]]:
    """Conversations of one to three turns, each request with all of its turns so far; every fifth
    is a request of no conversation."""
    records: list[dict[str, Any]] = []
    for number in range(days * a_day):
        turns: list[dict[str, str]] = []
        begun = 1_790_000_000.0 + DAY / a_day * number
        for turn in range(1 if number % 5 == 0 else 1 + number % 3):
            turns.append({"role": "user", "content": said(len(records))})
            session = None if number % 5 == 0 else f"conversation {number}"
            records.append(
                payload(
                    len(records),
                    messages=list(turns),
                    startTime=begun + 60.0 * turn,
                    session_id=session,
                )
            )
            turns.append({"role": "assistant", "content": "because"})
    return records


@pytest.fixture
def imported(routectl: Routectl, tmp_path: Path) -> Routectl:
    # Not in the order of time.
    routectl("import", write_log(tmp_path / "log.jsonl", conversations()[::-1]))
    return routectl


def proxys_decisions(
    routectl: Routectl, tmp_path: Path, records: list[dict[str, Any]]
) -> list[Decision]:
    """What each request gets of a proxy that runs the newest calibration and sees no other."""
    routectl("activate", "--force")
    routectl("export", "--format", "routes", "--output", tmp_path / "routes.json")
    running = Running(tmp_path / "routes.json")
    decider = Decider(running, 60)
    (name,) = running.routes
    bodies = [{"messages": r["messages"], **r.get("model_parameters", {})} for r in records]

    async def decide_all() -> list[Decision]:
        return await asyncio.gather(*(decider.decide(name, body) for body in bodies))

    try:
        return asyncio.run(decide_all())
    finally:
        running.close()


def test_what_the_weak_model_cannot_take_moves_no_conversation(
    routectl: Routectl, tmp_path: Path
) -> None:
    records = conversations()
    begins = [record for record in records if len(record["messages"]) == 1]
    tools = [{"type": "function", "function": {"name": "f"}}]
    for record in begins[::3]:
        record["model_parameters"] = {"tools": tools}
    routectl("route", "set", "smart", *MODELS, "--limit", "small=no-tools")
    routectl("import", write_log(tmp_path / "log.jsonl", records))
    target = ("calibrate", "-r", "length", "--strong-fraction", "0.5", "--tolerance", "1")
    (answer,) = routectl(*target, "--unit", "conversation", "--json").json
    decisions = proxys_decisions(routectl, tmp_path, records)
    strong = [decision.decision == "strong" for decision in decisions]
    assert sum(strong) / len(strong) == answer["strong_fraction"]
    follow = [
        decision
        for record, decision in zip(records, decisions, strict=True)
        if len(record["messages"]) > 1
    ]
    assert {decision.reason for decision in follow} == {"threshold"}
    assert {decision.decision for decision in follow} == {"strong", "weak"}


def test_a_proxy_that_sees_each_body_alone_decides_as_the_calibration_did(
    imported: Routectl, tmp_path: Path
) -> None:
    (answer,) = imported(*CALIBRATE, "--tolerance", "1", "--json").json
    assert (answer["unit"], answer["policy"]["version"]) == ("conversation", 3)
    records = conversations()
    decisions = proxys_decisions(imported, tmp_path, records)
    strong = [decision.decision == "strong" for decision in decisions]
    assert sum(strong) / len(strong) == answer["strong_fraction"]
    models: dict[str, set[bool]] = {}
    for record, is_strong in zip(records, strong, strict=True):
        if record["session_id"] is not None:
            models.setdefault(record["session_id"], set()).add(is_strong)
    assert all(len(decided) == 1 for decided in models.values())
    assert {True} in models.values()
    assert {False} in models.values()


def test_the_output_says_how_many_conversations_begin_in_the_log(imported: Routectl) -> None:
    (answer,) = imported(*CALIBRATE, "--tolerance", "1", "--json").json
    # 192 less those of no conversation; of the first day's twelve none is sure to have begun there.
    assert answer["conversations"] == {
        "conversations": 153,
        "begin_in_log": 144,
        "requests_alone": 39,
    }
    printed = imported("show", "c1").out
    assert "144 of 153 conversations begin in the log" in " ".join(printed.split())
    assert "39 requests are of none" in " ".join(printed.split())
    assert max(map(len, printed.splitlines())) <= 100
    assert "by conversation" in imported("history").out


def test_a_window_that_cuts_a_conversation_is_not_its_beginning(imported: Routectl) -> None:
    # Of conversation 38 the second and third request are within the window.
    since = datetime.fromtimestamp(1_790_000_030 + DAY / 12 * 38, UTC)
    window = ("--since", since.isoformat(timespec="seconds"), "--tolerance", "1", "--json")
    (answer,) = imported(*CALIBRATE, *window).json
    counted = answer["conversations"]
    assert counted["begin_in_log"] == counted["conversations"] - 1


def test_diff_follows_the_unit_of_each_policy(imported: Routectl) -> None:
    (answer,) = imported(*CALIBRATE, "--tolerance", "1", "--json").json
    imported(*CALIBRATE, "--tolerance", "1")
    same = imported("diff", "c1", "c2", "--since", "2020-01-01", "--json")
    assert same.code == 0
    assert f"{answer['strong_fraction']}" in same.out
    assert imported("export", "--calibration", "c1", "--format", "json").json["unit"] == (
        "conversation"
    )
    one_sentence(imported("export", "--calibration", "c1"), "scores the last text of each request")


def test_a_log_without_conversations_is_one_sentence(routectl: Routectl, log: Path) -> None:
    routectl("import", log)
    one_sentence(routectl(*CALIBRATE), "no request of the population names its conversation")
    assert routectl("history", "--json").json["calibrations"] == []


def test_postgresql_gives_the_same_answer(
    imported: Routectl, tmp_path: Path, postgresql_url: str
) -> None:
    by_team = ("--by", "model_group", "--tolerance", "1", "--json")
    imported("import", tmp_path / "log.jsonl", "--db", postgresql_url)
    answers = [
        imported(*CALIBRATE, *by_team, *database).json[0]
        for database in ((), ("--db", postgresql_url))
    ]
    one, other = ({**answer, "created_at": None, "run": None} for answer in answers)
    assert one == other


@pytest.mark.parametrize("option", [("--unit", "conversation"), ("--by", "team")])
def test_a_target_of_quality_is_one_of_all_requests(
    imported: Routectl, option: tuple[str, str]
) -> None:
    target = ("calibrate", "-r", "length", "--max-loss", "0.03", "--evaluation", "e1")
    sentence = f"{option[0]} {option[1]} does not go with a target of quality"
    one_sentence(imported(*target, *option), sentence, code=2)
