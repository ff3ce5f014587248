"""`battles check`: what it prints, when it says no, and how near battles are to the traffic."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_bad_input import one_sentence
from tests.conftest import Routectl, payload, write_log
from tests.workflow.battles.test_battles import write_votes

SOUND = [
    ("How do I boil an egg?", "big", "small", "model_a"),
    ("How do I boil rice?", "big", "small", "model_b"),
    ("How do I boil tea?", "big", "small", "tie"),
]


def test_battles_that_can_be_learned_from_pass(routectl: Routectl, tmp_path: Path) -> None:
    routectl("battles", "import", write_votes(tmp_path / "votes", SOUND))
    result = routectl("battles", "check", "--few", 1)
    assert result.code == 0, result.err
    assert "passed" in result.out
    assert routectl("battles", "check", "--json").json["traffic"] is None


def test_a_check_that_says_no_exits_with_3_and_names_the_models(
    routectl: Routectl, tmp_path: Path
) -> None:
    votes = [*SOUND, ("How do I boil glue?", "huge", "big", "model_a")]
    routectl("battles", "import", write_votes(tmp_path / "votes", votes))
    result = routectl("battles", "check")
    assert result.code == 3
    assert "huge: never lost" in " ".join(result.out.split())
    found = routectl("battles", "check", "--json")
    assert (found.code, found.json["failed"]) == (3, True)
    assert found.json["soundness"]["groups"] == [["big", "small"], ["huge"]]


def test_no_battles_to_check_is_a_sentence(routectl: Routectl) -> None:
    routectl("init")
    one_sentence(routectl("battles", "check"), "routectl battles import FILE")


def test_battles_about_the_team_s_own_prompts_are_at_cosine_one(
    routectl: Routectl, tmp_path: Path, tiny: str
) -> None:
    routectl("battles", "import", write_votes(tmp_path / "votes", SOUND))
    log = [payload(n, prompt) for n, (prompt, *_) in enumerate(SOUND)]
    routectl("import", write_log(tmp_path / "log", log))
    found = routectl("battles", "check", "--embedder", tiny, "--json").json["traffic"]
    assert found["similarity"]["mean"] == pytest.approx(1.0, abs=1e-5)
    assert found["prompts"] == found["battle_prompts"] == 3


def test_similarity_counts_requests_and_stands_beside_what_traffic_is_to_itself(
    routectl: Routectl, tmp_path: Path, tiny: str
) -> None:
    routectl("battles", "import", write_votes(tmp_path / "votes", SOUND))
    # Nine requests in ten ask what a battle asked.
    prompts = ["How do I boil an egg?"] * 90 + [f"{n} zzz {n * 37}" for n in range(10)]
    log = [payload(n, prompt) for n, prompt in enumerate(prompts)]
    routectl("import", write_log(tmp_path / "log", log))
    check = ("battles", "check", "--embedder", tiny, "--json")
    found = routectl(*check).json["traffic"]
    assert found["similarity"]["mean"] >= 0.9
    assert found["similarity"]["low"] < found["similarity"]["mean"] < 1
    assert found["baseline"]["others"] == 3
    assert routectl(*check).json["traffic"] == found
    assert routectl(*check, "--seed", 7).json["traffic"]["seed"] == 7
    drawn = routectl(*check, "--sample", 5).json["traffic"]
    assert (drawn["prompts"], drawn["prompts_in_all"]) == (5, 11)
    printed = routectl("battles", "check", "--embedder", tiny).out
    assert "traffic to battles" in printed
    assert "traffic to itself" in printed
    assert routectl("battles", "check", "--no-traffic", "--json").json["traffic"] is None
