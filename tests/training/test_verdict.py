"""A training ends with a verdict in words: is the router better than the length of the prompts?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from routectl.preferences.comparisons import read_comparisons
from routectl.records import ModelPair
from routectl.training.data import held_out_apgr
from tests.conftest import Routectl

PAIR = ModelPair("strong", "weak")


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    """120 prompts of random lengths; on every third one the strong model alone is right."""
    lengths = np.random.default_rng(0).integers(5, 400, 120)
    rows = [
        {"prompt": f"{n} " + "x" * length, "strong": 1, "weak": int(n % 3 != 0)}
        for n, length in enumerate(lengths)
    ]
    path = tmp_path / "gold.json"
    path.write_text(json.dumps(rows))
    return path


@pytest.mark.parametrize(
    ("score", "sign"),
    [
        (lambda number: float(number % 3 == 0), 1),
        (lambda number: float(number % 3 != 0), -1),
        (lambda number: (number * 0.618) % 1.0, 0),
    ],
    ids=["better", "worse", "can't tell"],
)
def test_the_paired_interval_against_the_length_decides(
    gold: Path, score: Callable[[int], float], sign: int
) -> None:
    comparisons = read_comparisons([], [gold], ())
    rates = np.array([score(int(prompt.split()[0])) for prompt in comparisons.prompts])
    figures = held_out_apgr(rates, comparisons, PAIR)
    low, high = figures["length_low"], figures["length_high"]
    assert low <= figures["length_difference"] <= high
    assert (low > 0) - (high < 0) == sign


def test_length_against_itself_makes_no_difference(gold: Path) -> None:
    comparisons = read_comparisons([], [gold], ())
    rates = np.array([len(prompt) / 1000 for prompt in comparisons.prompts])
    figures = held_out_apgr(rates, comparisons, PAIR)
    assert [figures[f"length_{end}"] for end in ("difference", "low", "high")] == [0.0] * 3


@pytest.mark.parametrize("json_flag", [False, True])
def test_an_ensemble_says_its_verdict(
    routectl: Routectl, gold: Path, tmp_path: Path, json_flag: bool
) -> None:
    command = ("train", "ensemble", "--member", "length", "random", "--fresh")
    done = routectl(
        *command, "--gold", gold, "--output", tmp_path / "out", *(["--json"] if json_flag else [])
    )
    assert done.code == 0, done.err
    if json_flag:
        assert done.json["against_length"] in ("better", "worse", "can't tell")
        assert {"length_difference", "length_low", "length_high"} <= set(done.json["metrics"])
    else:
        said = " ".join(done.out.split())
        assert "Verdict: " in said
        assert "the length of the prompts on 120 held-out prompts (APGR" in said


def test_the_length_baseline_says_what_it_is(
    routectl: Routectl, gold: Path, tmp_path: Path
) -> None:
    done = routectl("train", "length", "--gold", gold, "--output", tmp_path / "out")
    assert done.code == 0
    assert "Verdict: this is the length baseline itself" in done.out
