"""Battles and embeddings as RouteLLM publishes them score as they are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from routectl.errors import CheckpointError, InputError, RouterError
from routectl.routers import open_router
from routectl.routers.published.sw_ranking import read_published
from tests.embedding.endpoint_server import Server
from tests.routers.published_layouts import text_vector, write_sw_ranking

PROMPTS = ["What is 2 + 2?", "Prove that it ends, step by step.", "Übersetze: Haus"]
STRONG, WEAK = "gpt-4-1106-preview", "mixtral-8x7b-instruct-v0.1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_sw_ranking(tmp_path / "published")


def refitted(folder: Path, prompt: str, tiers: dict[str, int], *, anchored: bool = False) -> float:
    """A prompt's strong win rate by one weighted logistic regression over all battles.

    Args:
        anchored: as the published code has it, where the row of a battle within one tier keeps
            only the second of its two entries, so that the tier plays against a rating of 0.
    """
    rows = json.loads((folder / "battles.json").read_text())
    used = [row for row in rows if len(json.loads(row["prompt"])[0].strip()) >= 16]
    vectors = np.load(folder / "embeddings.npy")
    query = np.array(text_vector(prompt))
    similarity = vectors @ query / np.linalg.norm(vectors, axis=1)
    weight = 10 * 10 ** (similarity / similarity.max())
    design, outcome, weights = [], [], []
    for row, each in zip(used, weight, strict=True):
        a, b = tiers[row["model_a"]], tiers[row["model_b"]]
        if a == b and not anchored:
            continue
        x = np.zeros(max(tiers.values()) + 1)
        x[a] = 1
        x[b] = -1
        halves = (row["winner_model_a"], row["winner_model_a"])
        if row["winner_tie"]:
            halves = (1, 0)
        for y in halves:
            design.append(x)
            outcome.append(y)
            weights.append(each)
    fit = LogisticRegression(fit_intercept=False, C=np.inf, tol=1e-12, max_iter=100_000)
    coefficients: NDArray[Any] = fit.fit(design, outcome, sample_weight=weights).coef_[0]
    difference = coefficients[tiers[STRONG]] - coefficients[tiers[WEAK]]
    return float(1 / (1 + np.exp(-difference)))


def tiers_of(folder: Path) -> dict[str, int]:
    ranking = read_published(folder)
    return dict(zip(ranking.models, ranking.tiers, strict=True))


def test_scores_are_those_of_a_regression_over_all_battles(
    folder: Path, embedding_server: Server
) -> None:
    rates = open_router("sw_ranking", checkpoint=folder).load().strong_win_rates(PROMPTS)
    expected = [refitted(folder, prompt, tiers_of(folder)) for prompt in PROMPTS]
    assert np.abs(rates - expected).max() < 1e-5
    assert np.ptp(rates) > 0.01


def test_battles_within_a_tier_drop_out_where_the_published_code_anchors_the_tier(
    tmp_path: Path, embedding_server: Server
) -> None:
    folder = write_sw_ranking(tmp_path / "more", models=14, battles=900)
    tiers = tiers_of(folder)
    assert len(set(tiers.values())) == 10
    rates = open_router("sw_ranking", checkpoint=folder).load().strong_win_rates(PROMPTS)
    exact = [refitted(folder, prompt, tiers) for prompt in PROMPTS]
    anchored = [refitted(folder, prompt, tiers, anchored=True) for prompt in PROMPTS]
    assert np.abs(rates - exact).max() < 1e-5
    assert np.abs(rates - anchored).max() > 1e-4


def test_another_pair_of_its_models_is_another_router(
    folder: Path, embedding_server: Server
) -> None:
    usual = open_router("sw_ranking", checkpoint=folder)
    other = open_router("sw_ranking", checkpoint=folder, weak_model="model-7")
    assert usual.identity.fingerprint != other.identity.fingerprint
    assert other.load().strong_win_rates(PROMPTS[:1]) > usual.load().strong_win_rates(PROMPTS[:1])


def test_a_model_that_never_fought_is_not_known(folder: Path) -> None:
    with pytest.raises(RouterError, match="does not know the weak model 'llama-9'"):
        open_router("sw_ranking", checkpoint=folder, weak_model="llama-9")


def test_a_vector_too_few_is_counted(folder: Path) -> None:
    path = folder / "embeddings.npy"
    np.save(path, np.load(path)[1:])
    with pytest.raises(CheckpointError, match=r"355 battles .* and 354 vectors"):
        open_router("sw_ranking", checkpoint=folder)


def test_pickled_embeddings_are_never_loaded(folder: Path) -> None:
    np.save(folder / "embeddings.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(CheckpointError, match="pickled objects, which are never loaded"):
        open_router("sw_ranking", checkpoint=folder)


def test_a_battle_without_turns_is_named_by_its_place(folder: Path) -> None:
    rows = json.loads((folder / "battles.json").read_text())
    rows[4]["prompt"] = "no list"
    (folder / "battles.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match=r"battles\.json.*5.*JSON list of turns"):
        open_router("sw_ranking", checkpoint=folder)


def test_a_zero_vector_is_refused(folder: Path) -> None:
    vectors = np.load(folder / "embeddings.npy")
    vectors[3] = 0
    np.save(folder / "embeddings.npy", vectors)
    with pytest.raises(CheckpointError, match="a vector is zero"):
        open_router("sw_ranking", checkpoint=folder)
