"""What the checks say of battles, finding by finding."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from routectl.preferences.soundness import Soundness, examine


@dataclass(frozen=True)
class Vote:
    prompt: int
    model_a: str
    model_b: str
    winner: str
    annotator: str | None = None


ROUND = [
    Vote(1, "ant", "bee", "model_a"),
    Vote(2, "bee", "cat", "model_a"),
    Vote(3, "cat", "ant", "model_a"),
    Vote(3, "cat", "bee", "tie"),
]
"""Everybody beat somebody and lost to somebody."""


def checks(found: Soundness) -> dict[str, bool]:
    return {finding.check: finding.fails for finding in found.findings}


def sentence(found: Soundness, check: str) -> str:
    (one,) = [finding.sentence for finding in found.findings if finding.check == check]
    return one


def test_battles_that_can_be_rated_pass() -> None:
    found = examine(ROUND, few_battles=1)
    assert found.findings == ()
    assert (found.battles, found.prompts, found.ties) == (4, 3, 1)
    assert found.groups == (("ant", "bee", "cat"),)


def test_each_model_has_its_battles_prompts_and_results() -> None:
    bee = next(m for m in examine(ROUND).models if m.model == "bee")
    assert (bee.battles, bee.prompts, bee.won, bee.lost, bee.tied) == (3, 3, 1, 1, 1)


def test_two_spellings_of_a_model_are_one_model() -> None:
    votes = [
        Vote(1, "gpt4_1106_preview", "ant", "model_a"),
        Vote(2, "openai/gpt-4-1106-preview", "ant", "model_b"),
    ]
    assert [m.model for m in examine(votes).models] == ["ant", "gpt-4-1106-preview"]
    assert "not_connected" not in checks(examine(votes))


def test_a_model_that_never_lost_is_named_and_cannot_be_rated() -> None:
    found = examine([*ROUND, Vote(4, "owl", "ant", "model_a")], few_battles=1)
    assert checks(found) == {"not_connected": True, "never_lost": False}
    assert "owl" in sentence(found, "never_lost")
    assert found.groups == (("ant", "bee", "cat"), ("owl",))


def test_a_model_that_never_won_is_named_and_cannot_be_rated() -> None:
    found = examine([*ROUND, Vote(4, "eel", "ant", "model_b")], few_battles=1)
    assert checks(found) == {"not_connected": True, "never_won": False}
    assert "eel" in sentence(found, "never_won")


def test_a_tie_is_a_way_in_both_directions() -> None:
    assert checks(examine([*ROUND, Vote(4, "owl", "ant", "tie")], few_battles=1)) == {}


def test_models_that_never_met_are_named_group_by_group() -> None:
    apart = [Vote(5, "yak", "elk", "tie")]
    found = examine([*ROUND, *apart], few_battles=1)
    assert checks(found) == {"not_connected": True}
    assert "ant, bee, cat; elk, yak" in sentence(found, "not_connected")


def test_battles_of_one_model_with_itself_teach_nothing() -> None:
    found = examine([Vote(1, "ant", "ant", "tie"), Vote(2, "ant", "ant", "model_a")])
    assert checks(found) == {"one_model": True, "itself": False}


def test_one_prompt_leaves_nothing_to_be_measured_on() -> None:
    votes = [Vote(1, "ant", "bee", winner) for winner in ("model_a", "model_b", "tie")]
    assert checks(examine(votes, few_battles=1)) == {"one_prompt": True, "conflicts": False}


def test_models_with_few_battles_are_named() -> None:
    found = examine(ROUND, few_battles=3)
    assert checks(found) == {"few_battles": False}
    assert "ant: fewer than 3" in sentence(found, "few_battles")


def test_no_tie_at_all_is_remarked() -> None:
    assert checks(examine(ROUND[:3], few_battles=1)) == {"no_ties": False}


def test_a_battle_told_twice_is_a_duplicate_whichever_model_comes_first() -> None:
    found = examine([*ROUND, Vote(1, "bee", "ant", "model_b")], few_battles=1)
    assert checks(found) == {"duplicates": False}
    assert found.duplicates == 1


def test_two_annotators_who_agree_are_no_duplicate() -> None:
    votes = [Vote(1, "ant", "bee", "model_a", who) for who in ("ann", "bob")]
    assert examine(votes).duplicates == 0


@pytest.mark.parametrize("other", ["model_a", "tie"])
def test_two_verdicts_on_one_prompt_and_pair_are_a_conflict(other: str) -> None:
    found = examine([*ROUND, Vote(1, "bee", "ant", other)], few_battles=1)
    assert checks(found) == {"conflicts": False}
    assert (found.conflicts, found.comparisons) == (1, 4)
