"""`mf` and `sw_ranking` on the token vectors of a classifier that was trained before."""

import json
from pathlib import Path

import numpy as np
import pytest

from routectl.evaluation.metrics import apgr, quality_curve
from routectl.routers import open_router
from routectl.routers.seen_prompts import digests, read_seen
from routectl.training import TrainingReport, TrainingRequest, train_bert, train_mf
from routectl.training.fits.difficulty import DifficultySettings
from routectl.training.fits.finetune import Settings
from tests.conftest import Routectl
from tests.training.test_sw_metric import letters


def write(path: Path, seed: int) -> Path:
    rows = [
        {"prompt": text, "scores": {"strong": 1, "weak": int(not hard), "weaker": 0}}
        for text, hard in zip(*letters(300, seed), strict=True)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "gold.jsonl", seed=0)


@pytest.fixture(scope="module")
def classifier(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Learned from other prompts of the same kind."""
    folder = tmp_path_factory.mktemp("classifier")
    request = TrainingRequest(
        gold=[write(folder / "others.jsonl", seed=1)], output=folder / "trained", weak_model="weak"
    )
    settings = Settings(learning_rate=3e-3, batch_prompts=8, max_epochs=5)
    return train_bert(request, base=tiny, settings=settings).path


def mf(gold: Path, embedder: str, output: Path) -> TrainingReport:
    request = TrainingRequest(gold=[gold], output=output, weak_model="weak")
    return train_mf(request, embedder=embedder, settings=DifficultySettings())


def quality(router: str, folder: Path) -> float:
    """APGR on prompts that nobody learned from."""
    texts, hard = letters(300, seed=2)
    scores = open_router(router, checkpoint=folder).load().strong_win_rates(texts)
    return apgr(quality_curve(scores, np.ones(len(texts)), 1.0 - hard))


def test_what_the_classifier_knows_of_hard_prompts_helps(
    gold: Path, tiny: str, classifier: Path, tmp_path: Path
) -> None:
    report = mf(gold, f"bert:{classifier}", tmp_path / "above")
    mf(gold, tiny, tmp_path / "plain")
    assert quality("mf", tmp_path / "above") > quality("mf", tmp_path / "plain") + 0.02
    opened = open_router("mf", checkpoint=report.path)
    assert not opened.description.slow
    router = opened.load()
    texts = letters(60, seed=3)[0]
    together = router.strong_win_rates(texts)
    alone = [router.strong_win_rates([text])[0] for text in texts]
    assert np.abs(together - np.array(alone)).max() <= opened.identity.noise < 1e-3


def test_what_either_has_learned_from_has_been_seen(
    gold: Path, classifier: Path, tmp_path: Path
) -> None:
    """So that an evaluation leaves it out, and an ensemble does not weigh by it."""
    report = mf(gold, f"bert:{classifier}", tmp_path / "above")
    seen = read_seen(report.path)
    assert seen is not None
    for seed in (0, 1):
        assert np.isin(digests(letters(300, seed)[0]), seen).all()
    assert not np.isin(digests(letters(300, seed=2)[0]), seen).any()


@pytest.mark.parametrize("router", ["mf", "sw_ranking"])
def test_the_command_line_trains_on_one(
    routectl: Routectl, gold: Path, classifier: Path, tmp_path: Path, router: str
) -> None:
    data = ("--gold", gold, "--weak-model", "weak")
    embedder = ("--embedder", f"bert:{classifier}", "--question-length")
    output = ("--output", tmp_path / "above")
    done = routectl("train", router, *data, *embedder, *output)
    assert done.code == 0, done.err
    assert quality(router, tmp_path / "above") > 0.6


def test_a_cosine_of_what_makes_prompts_hard_is_refused(
    routectl: Routectl, gold: Path, classifier: Path, tmp_path: Path
) -> None:
    embedder = ("--embedder", f"bert:{classifier}", "--output", tmp_path / "above")
    refused = routectl("train", "sw_ranking", "--metric", "cosine", "--gold", gold, *embedder)
    assert refused.code == 2
    assert "leave out --metric cosine" in " ".join(refused.err.split())


def test_kinds_of_prompts_are_not_found_by_what_makes_them_hard(
    routectl: Routectl, gold: Path, classifier: Path, tmp_path: Path
) -> None:
    kinds = ("--kinds", 2, "--output", tmp_path / "above")
    refused = routectl("train", "mf", "--gold", gold, "--embedder", f"bert:{classifier}", *kinds)
    assert refused.code == 2
    assert "has none; name another." in " ".join(refused.err.split())


def test_an_embedder_that_is_no_classifier_is_a_sentence(
    routectl: Routectl, gold: Path, tmp_path: Path
) -> None:
    output = ("--output", tmp_path / "above")
    refused = routectl("train", "mf", "--gold", gold, "--embedder", "bert:nothing", *output)
    assert refused.code == 1
    assert "names no checkpoint" in refused.err
    assert not list(tmp_path.iterdir())
