"""What ships never changes under its name: a better checkpoint gets a new one."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from routectl.routers import open_router
from routectl.routers.checkpoint import SHIPPED, WEIGHTS
from tests.conftest import Routectl

PINNED = {
    "causal_llm_1": "6a47a7f45524ee8141adbefa505034c5187f2e350c34b5420419ee3155d84ff5",
    "causal_llm_2": "6108a3295da547bfc20d325c4aa5adb653b8c4ec9a5253ab272936cb1d7a651e",
    "causal_llm_3": "038af0b156468fe11631d8df7be67177f47e0c232ca1de2f59da53fb8e537550",
    "causal_llm_4": "a5a2eb636421bb40dbd3d3b15cd78cfa86ea5fc77ae3e0b4e18130dd3878ffc7",
    "mf_1": "e79ba7d179634b700bc0efd7d2c53ded602f09ca52d74e0922b8d09e33f51947",
    "mf_2": "fbbb23fc11516a54df3ee25f0f1603bcd9dcdee2814fc6d848ec1767162f391e",
    "mf_3": "f6f093c12572240d4308e44376ba0d1e33ee55748bf10bf494f414d08bbe14fb",
    "mf_4": "6386073dbffa02c1dc1bc26631e935c06cd57d9fee3c2727fd4d7fa119dbea12",
    "mf_5": "bc3f0789810f2010f5c9c3e453bb400f05dc3490917293c856033012d8ab3b44",
    "mf_6": "e5fdc7353dd3dccc02390661723194514a6f42a759d47cbdccd9c18109c8851a",
    "mf_7": "ff11fef14b9269d3c7be3b7e3d3f1ed2eed548aa52d22b8f5b6fddaf7fe346b0",
    "mf_8": "5ed7683d9807c574b0b406fab68e92fa09c321eec6101727b943a7e81ac2936b",
    "mf_9": "ad4fb194790c2bbedf919cb69203a2b761dcd74ea7be314c71efc8a8c7d67974",
    "bert_1": "391e32abaf198ad42cf6ad38c1188b45ef0b7d15f0e6a1b9b6e11c44dea8fb08",
    "bert_2": "4425b95c45030d3827a4925c7cd931cf38d7caaea5798f0eeab968f540fc4b3b",
    "bert_3": "3f3103a6d710a2d8e55d69d05258fce72c0c0c5e4d25d67fb16833e6b17eca7c",
    "bert_4": "934c2bad26efa0c826f3b91037ff00dbc8f08eb52f634d76aa1662614146e18f",
    "sw_ranking_2": "3b0fe19a4be09beee938dc4d0ced364d942f0b5547597da6e408b6ef6c489418",
    "sw_ranking_3": "b5919acbe542484d4b1af8991564a59170099cee35b67e9627416edf9e1bad3d",
    "ensemble_3": "5e2647816ea6a627e097117e4e20b004319aaaffee3312bfebffd4cf6b9b62a4",
    "ensemble_4": "d75a618d0a9364c64264efda0ff900560cf56185c140e9570522255fb876454c",
    "sw_ranking_1": "807c55610c0a1a198df8a3b49cfc8983ee4e04f547c3a098ea0a927694a8942d",
    "ensemble_1": "fd6918dc6fb7ccedc604353632abbc94d0e07ca888e51ae6a596b3ddc23110c6",
    "ensemble_2": "95d203b8ff75b30cc11c8376b19e8081dccb9e7fd76d831c99e362b724333c5b",
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
            "mf_1",
            "4f3161bdffa839b3793e2231d8a19ba1338b36395f14b05a8a8e10c7e11434ee",
            "gemini-1.5-pro-002",
        ),
        (
            "bert_1",
            "2b38c7652aefd590313cb09b9c199a26397cc697edf8511713588cf5b3d0ea6a",
            "gpt-4-1106-preview",
        ),
        (
            "ensemble_1",
            "0212ec860f5693637bdc93e81c88bfb53cfbb257eb746ca0738f4510e523cfbd",
            "gpt-4-1106-preview",
        ),
        (
            "causal_llm_1",
            "6af98f110bab328ea723f3562469627d1cb34fa73c47cde316ee376e9f1d4a23",
            "gemini-1.5-pro-002",
        ),
        (
            "bert_2",
            "3a0b0f4432f30e5b53c413ff3dd7fa03923e401b18886fd111e437326660a91c",
            "gpt-4-1106-preview",
        ),
        (
            "causal_llm_3",
            "ab55e70f45022301c970c8fa7353abb5bb20859829f717fa96c30dcf27343be3",
            "gpt-4-1106-preview",
        ),
        (
            "causal_llm_2",
            "36aef3c90ba88d08549959d2c3f9715d3b930ca840f94765ca5e4d80de363049",
            "gpt-4-1106-preview",
        ),
        (
            "mf_2",
            "9c54c3f804467dcdbb7be5d731c74548ce70be46871532b539c0b2d006ff9180",
            "gpt-4-1106-preview",
        ),
        (
            "sw_ranking_1",
            "543db1ef237140e19fcb781acb4ec5bccd98d2447281bc03c179567c5be81def",
            "gpt-4-1106-preview",
        ),
        (
            "sw_ranking_2",
            "4a173f274307f7336e2d45fce414c30d58e9eb8bb2ee886cf521ff9e11dc0594",
            "gpt-4-1106-preview",
        ),
        (
            "ensemble_2",
            "0e668ea78c020489419cf14fafb844e9d112e69d21a4e6b3fa8718f816e65ec8",
            "gpt-4-1106-preview",
        ),
        (
            "bert_4",
            "6dcd1b1405c42540b1dca357d64d82326662ac02fcddf8d1411c5980d03c3ed3",
            "gpt-4-1106-preview",
        ),
        (
            "ensemble_3",
            "f408759de2f5264b908e5a5b19203063befc50eaa0e7b6771c18a4f3734fa193",
            "gpt-4-1106-preview",
        ),
        (
            "mf_8",
            "8b7d2f02b7e5ea49f564a38b68eed3ef1ea34bdd9992a86a3810784575a84c54",
            "gpt-4-1106-preview",
        ),
        (
            "mf_7",
            "10b989b476cd7dea70fb5351122130e2710cbc1ef3d78d05101ca1bf71cd85b5",
            "gpt-4-1106-preview",
        ),
        (
            "mf_6",
            "f63ea34d63947207c5fcc270400f5852a97c2f0a52c8fba17e3dcf0ecca36941",
            "gpt-4-1106-preview",
        ),
        (
            "mf_5",
            "4953b958b75cb94192aee45c2aee0f798ee22a3d631c7df090e11b285b50bd7e",
            "gpt-4-1106-preview",
        ),
        (
            "mf_4",
            "333ba22b694bc707b2f7898f19c42ba9747e7432df7739e65c15f56819e05872",
            "gpt-4-1106-preview",
        ),
        (
            "mf_3",
            "3e1c59ac49b316991af5403b4324fe4ed4f90a9032ef99bec32bfe0dc7711a89",
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


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("mf_4", "mf_5", "mf_6", "mf_8")]


@pytest.mark.parametrize("name", ["mf", "mf_7", "sw_ranking", "bert", "ensemble", *SLOW])
def test_an_odd_prompt_scores_alike_alone_and_among_others_within_the_noise(name: str) -> None:
    checkpoint = SHIPPED / name
    router = open_router(
        "mf" if name.startswith("mf_") else name,
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
    shown = routectl("routers", "show", "mf=mf_3")
    assert shown.code == 0
    assert "3e1c59ac49b3" in shown.out
    assert "mf_1, mf_2, mf_3, mf_4, mf_5, mf_6, mf_7, mf_8, mf_9" in shown.out
    (tmp_path / "mf_3").mkdir()
    assert "mf_3" in routectl("routers", "show", "mf=mf_3").err, "a folder that is here goes first"
