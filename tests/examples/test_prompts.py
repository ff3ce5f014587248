"""The hand-written prompts are as various as their page says."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from typing import Any

Record = dict[str, Any]


def test_there_are_at_least_440_prompts_and_no_two_are_equal(prompts: list[Record]) -> None:
    texts = [" ".join(prompt["prompt"].lower().split()) for prompt in prompts]
    assert len(texts) >= 440
    assert [text for text, times in Counter(texts).items() if times > 1] == []


def test_every_prompt_names_team_difficulty_and_language(prompts: list[Record]) -> None:
    assert {frozenset(prompt) - {"conversation"} for prompt in prompts} == {
        frozenset({"team", "difficulty", "language", "prompt"})
    }
    assert {prompt["difficulty"] for prompt in prompts} == {"easy", "medium", "hard"}
    assert min(Counter(prompt["difficulty"] for prompt in prompts).values()) >= 50
    assert len({prompt["team"] for prompt in prompts}) == 6
    assert min(Counter(prompt["team"] for prompt in prompts).values()) >= 50


def test_teams_differ_in_how_hard_their_prompts_are(prompts: list[Record]) -> None:
    def share(name: str, difficulty: str) -> float:
        own = [prompt["difficulty"] for prompt in prompts if prompt["team"] == name]
        return own.count(difficulty) / len(own)

    assert share("it-helpdesk", "easy") > 0.8
    assert share("it-helpdesk", "hard") < 0.05
    assert share("analytics", "hard") > 0.3
    assert share("support", "easy") > 2 * share("engineering", "easy")


def test_a_fifth_of_the_prompts_is_not_english_and_every_script_is_its_languages(
    prompts: list[Record],
) -> None:
    foreign = Counter(p["language"] for p in prompts if p["language"] != "en")
    assert sum(foreign.values()) > 0.2 * len(prompts)
    assert len(foreign) >= 12
    scripts = {
        "ar": "ARABIC",
        "he": "HEBREW",
        "hi": "DEVANAGARI",
        "ja": "CJK UNIFIED|HIRAGANA|KATAKANA",
        "ko": "HANGUL",
        "ru": "CYRILLIC",
        "zh": "CJK UNIFIED",
    }
    for prompt in prompts:
        wanted = tuple(scripts.get(prompt["language"], "LATIN").split("|"))
        text = prompt["prompt"]
        if any(char.isalpha() for char in text):
            assert any(unicodedata.name(char, "").startswith(wanted) for char in text)


def test_lengths_run_from_one_word_to_pasted_documents(prompts: list[Record]) -> None:
    lengths = [len(prompt["prompt"]) for prompt in prompts]
    assert min(lengths) <= 4
    assert sum(length > 1_500 for length in lengths) >= 25
    assert sum(length > 4_000 for length in lengths) >= 3
    assert sum("\n" in prompt["prompt"] for prompt in prompts) >= 60
    assert sum(any(ord(char) >= 0x1F300 for char in p["prompt"]) for p in prompts) >= 8


def test_at_least_30_conversations_have_two_to_seven_turns_of_one_team(
    prompts: list[Record],
) -> None:
    turns: dict[str, list[str]] = defaultdict(list)
    for prompt in prompts:
        if "conversation" in prompt:
            turns[prompt["conversation"]].append(prompt["team"])
    assert len(turns) >= 30
    assert {len(teams) for teams in turns.values()} == {2, 3, 4, 5, 6, 7}
    assert all(len(set(teams)) == 1 for teams in turns.values())


def test_every_address_in_a_prompt_is_reserved_for_examples(prompts: list[Record]) -> None:
    text = "\n".join(prompt["prompt"] for prompt in prompts)
    hosts = re.findall(r"[\w.]+@([\w-]+(?:\.[\w-]+)+)|https?://([\w.-]+)", text)
    assert len(hosts) >= 10
    for host in (mail or link for mail, link in hosts):
        assert re.fullmatch(r"(.+\.)?example\.(com|net|org)", host)
