"""What ships never changes under its name: a better checkpoint gets a new one."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from routectl.checkpoint import SHIPPED, WEIGHTS
from routectl.routers import open_router
from tests.conftest import Routectl

PINNED = {
    "causal_llm_4": "a5a2eb636421bb40dbd3d3b15cd78cfa86ea5fc77ae3e0b4e18130dd3878ffc7",
    "mf_6": "e5fdc7353dd3dccc02390661723194514a6f42a759d47cbdccd9c18109c8851a",
    "mf_8": "5ed7683d9807c574b0b406fab68e92fa09c321eec6101727b943a7e81ac2936b",
    "mf_9": "ad4fb194790c2bbedf919cb69203a2b761dcd74ea7be314c71efc8a8c7d67974",
    "bert_3": "3f3103a6d710a2d8e55d69d05258fce72c0c0c5e4d25d67fb16833e6b17eca7c",
    "bert_4": "934c2bad26efa0c826f3b91037ff00dbc8f08eb52f634d76aa1662614146e18f",
    "sw_ranking_2": "3b0fe19a4be09beee938dc4d0ced364d942f0b5547597da6e408b6ef6c489418",
    "sw_ranking_3": "b5919acbe542484d4b1af8991564a59170099cee35b67e9627416edf9e1bad3d",
    "ensemble_4": "d75a618d0a9364c64264efda0ff900560cf56185c140e9570522255fb876454c",
    "length_1": "09c31f8fa02eaa15bd07282c23414f36ab0d5f9c46316d85f00ac903f993a000",
}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", PINNED)
def test_a_shipped_checkpoint_is_the_one_that_was_released(name: str) -> None:
    assert digest(SHIPPED / name / WEIGHTS) == PINNED[name]


def test_every_shipped_checkpoint_with_weights_is_pinned() -> None:
    assert {path.parent.name for path in SHIPPED.glob(f"*/{WEIGHTS}")} == set(PINNED)


@pytest.mark.parametrize(
    ("name", "fingerprint"),
    [
        ("mf", "77c4b75b9ce816b5798a973e92948a5c52c01a35228b795b62d4600c2761cbf4"),
        ("bert", "f466a255f661ae21e1ad42c8781e3053e85ca43af8eaa2aa447d8bc464dde602"),
        ("causal_llm", "328cd89a7f00db61bb010e73932a5309de1f5d1fdd160b3e2fa09f829b0b93b8"),
        ("sw_ranking", "505ca348a8b6ec80eb991910d56a42877b6b2d69383d7aee9125cd4fd17f2209"),
        ("ensemble", "188cc34fc7e86ea096b9e207498130535ee75f5d2a223c4cc1811aaa5838b582"),
        ("random", "7b33be84bcdf18aed4dccaeb4c3a251cce0fb8990becfa5d4db58bd1ca7bda88"),
        ("length", "f96abd22739f57c8ccc0495c88e5d6661d27513c12879ea92ed57944a6a5bb1b"),
    ],
)
def test_the_shipped_routers_keep_their_fingerprints(name: str, fingerprint: str) -> None:
    assert open_router(name).identity.fingerprint == fingerprint


@pytest.mark.parametrize(
    ("name", "fingerprint", "strong"),
    [
        (
            "sw_ranking_2",
            "4a173f274307f7336e2d45fce414c30d58e9eb8bb2ee886cf521ff9e11dc0594",
            "gpt-4-1106-preview",
        ),
        (
            "bert_4",
            "6dcd1b1405c42540b1dca357d64d82326662ac02fcddf8d1411c5980d03c3ed3",
            "gpt-4-1106-preview",
        ),
        (
            "mf_8",
            "8b7d2f02b7e5ea49f564a38b68eed3ef1ea34bdd9992a86a3810784575a84c54",
            "gpt-4-1106-preview",
        ),
        (
            "mf_6",
            "f63ea34d63947207c5fcc270400f5852a97c2f0a52c8fba17e3dcf0ecca36941",
            "gpt-4-1106-preview",
        ),
    ],
)
def test_a_checkpoint_beside_the_default_opens_as_it_was_released(
    name: str, fingerprint: str, strong: str
) -> None:
    opened = open_router(name.rpartition("_")[0], checkpoint=SHIPPED / name)
    assert opened.identity.fingerprint == fingerprint
    assert opened.description.default_pair is not None
    assert opened.description.default_pair.strong == strong


@pytest.mark.parametrize(
    ("name", "most"), [("mf", 2_000_000), ("bert", 4_000_000), ("causal_llm", 2_100_000)]
)
def test_a_shipped_checkpoint_is_small_and_has_a_card(name: str, most: int) -> None:
    description = open_router(name).description
    assert description.checkpoint is not None
    assert sum(path.stat().st_size for path in description.checkpoint.iterdir()) < most
    assert description.card is not None
    assert description.licence == "Apache-2.0"
    card = description.card.read_text(encoding="utf-8")
    for heading in ("## Data", "## Training", "## How good", "## Limits"):
        assert heading in card
    for model in description.models:
        assert model in card


ODD = [
    "?",
    "x" * 300,
    "ñandú über 漢字 🙂",
    "SELECT a.b FROM a WHERE a.c IN (1, 2);",
    "hellooo",
    "{'k': [0, 1, {}]}",
    "1 2 3 4 5 6 7 8 9 10 11 12",
    "write a haiku about my cat's taxes",
    "Thanks!!",
    "why",
    *(" ".join(word * (n % 3 + 1) for word in ("ab", "zoom", f"{n}")) for n in range(30)),
]
"""Prompts that resemble nothing that a router learned from, and each other little."""


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("mf_6", "mf_8")]


@pytest.mark.parametrize("name", ["mf", "sw_ranking", "bert", "bert_4", "ensemble", *SLOW])
def test_an_odd_prompt_scores_alike_alone_and_among_others_within_the_noise(name: str) -> None:
    checkpoint = SHIPPED / name
    router = open_router(
        name.rpartition("_")[0] if checkpoint.is_dir() else name,
        checkpoint=checkpoint if checkpoint.is_dir() else None,
    ).load()
    together = router.strong_win_rates(ODD)
    alone = []
    for number, prompt in enumerate(ODD):
        # Vectors of the last batch are remembered; this is one.
        router.strong_win_rates([f"in between {number}"])
        alone.append(router.strong_win_rates([prompt])[0])
    assert np.abs(together - np.array(alone)).max() <= router.identity.noise < 1e-4


def test_a_shipped_checkpoint_opens_by_its_bare_name(
    routectl: Routectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = routectl("routers", "show", "bert=bert_4")
    assert shown.code == 0
    assert "6dcd1b1405c4" in shown.out
    assert "bert_3, bert_4" in shown.out
    (tmp_path / "bert_4").mkdir()
    refused = routectl("routers", "show", "bert=bert_4")
    assert "bert_4 holds no config.json" in refused.err, "a folder that is here goes first"


def test_a_checkpoint_that_does_not_ship_any_more_is_an_error_that_names_those_that_do(
    routectl: Routectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    routectl("init")
    for name, gone, ships in (
        ("mf", "mf_2", "mf_6, mf_8, mf_9"),
        ("sw_ranking", "sw_ranking_1", "sw_ranking_2, sw_ranking_3"),
        ("bert", "bert_2", "bert_3, bert_4"),
        ("causal_llm", "causal_llm_3", "causal_llm_4"),
        ("ensemble", "ensemble_1", "ensemble_4"),
    ):
        for command in (("routers", "show"), ("score", "-r")):
            refused = routectl(*command, f"{name}={gone}")
            assert refused.code == 1
            assert refused.out == ""
            assert refused.err.splitlines()[-1] == (
                f"Error: The router {name!r} has no checkpoint {gone!r}: those that ship are "
                f"{ships}; name one with -r {name}=NAME, or a folder of your own with "
                f"-r {name}=DIR."
            )
