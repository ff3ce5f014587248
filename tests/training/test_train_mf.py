"""The fit of one difficulty (`train mf`), on all that it can score."""

import json
from pathlib import Path

import numpy as np
import pytest

from routectl.checkpoint import read_checkpoint, read_weights
from routectl.routers import open_router
from routectl.training import TrainingRequest, train_mf
from routectl.training.fits.difficulty import DifficultySettings
from tests.conftest import Routectl
from tests.routers.tiny_llama import make_base
from tests.training.test_train import prompts, write_gold


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gold(tmp_path_factory.mktemp("data") / "gold.jsonl")


def test_the_fit_of_one_difficulty_makes_a_checkpoint_like_any_other(
    gold: Path, tiny: str, tmp_path: Path
) -> None:
    report = train_mf(
        TrainingRequest(output=tmp_path / "one", gold=[gold], weak_model="weak"),
        embedder=tiny,
        settings=DifficultySettings(precision=1),
    )
    router = open_router("mf", checkpoint=report.path)
    assert router.identity.fingerprint == report.fingerprint
    fresh = prompts(400)[300:]
    rates = router.load().strong_win_rates([prompt for prompt, _ in fresh])
    hard = np.array([is_hard for _, is_hard in fresh])
    assert rates[hard].min() > rates[~hard].max()
    card = (report.path / "README.md").read_text()
    assert "steps to convergence" in card
    assert "stopped early" not in card
    assert "one difficulty" in card


def test_the_length_of_a_question_can_be_learned_as_an_extra_feature(
    tiny: str, tmp_path: Path
) -> None:
    # Hard is what is long, and the embedder reads the beginning alone.
    start = " ".join(["word"] * 300)
    rows = [
        {
            "prompt": f"{start} {number}" + " more" * (40 * (number % 2)),
            "scores": {"strong": 1, "weak": 1 - number % 2},
        }
        for number in range(60)
    ]
    path = tmp_path / "gold.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = train_mf(
        TrainingRequest(output=tmp_path / "new", gold=[path]),
        embedder=tiny,
        settings=DifficultySettings(precision=1),
        question_length=True,
    )
    router = open_router("mf", checkpoint=report.path).load()
    long, short = router.strong_win_rates([start + " more" * 40, start])
    assert long > short + 0.1
    card = (report.path / "README.md").read_text()
    assert "the length of the whole question" in card
    assert "| question_length | True |" in card


@pytest.fixture
def hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The hidden states of a model of a few kilobytes, as an embedder's name."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return f"hidden:{make_base(tmp_path / 'base')}"


@pytest.mark.slow
def test_mf_learns_from_hidden_states_which_it_standardises(
    gold: Path, hidden: str, tmp_path: Path
) -> None:
    output = tmp_path / "hard"
    report = train_mf(
        TrainingRequest(gold=[gold], output=output, weak_model="weak"),
        embedder=hidden,
        settings=DifficultySettings(precision=1),
    )
    assert report.held_out_loss is not None
    assert report.baseline_loss is not None
    assert report.held_out_loss < report.baseline_loss
    opened = open_router("mf", checkpoint=output)
    assert opened.description.slow
    scores = opened.load().strong_win_rates([text for text, _ in prompts(300)])
    hard = np.array([hard for _, hard in prompts(300)])
    assert scores[hard].mean() > scores[~hard].mean() + 0.1
    # The noise is that along what was learned, which is little of the vectors' own.
    texts = [text for text, _ in prompts(60)]
    router = opened.load()
    together = router.strong_win_rates(texts)
    alone = []
    for text in texts:
        router.strong_win_rates([f"between {text}"])  # of the last batch the vectors are remembered
        alone.append(router.strong_win_rates([text])[0])
    assert np.abs(together - np.array(alone)).max() <= opened.identity.noise < 1e-4
    # Each number counts by how it varies: the direction is in units of the standardised ones.
    tensors, _ = read_weights(read_checkpoint(output, "mf"))
    assert tensors["centre"].shape == tensors["spread"].shape == (96,)
    assert "standardised over the prompts of the training" in (output / "README.md").read_text()


@pytest.mark.slow
def test_what_resembles_a_benchmark_is_found_by_the_installed_embedder_where_cosines_say_nothing(
    gold: Path, hidden: str, tmp_path: Path
) -> None:
    judged = tmp_path / "judged.jsonl"
    judged.write_text(json.dumps({"prompt": prompts(300)[0][0]}) + "\n")
    report = train_mf(
        TrainingRequest(
            gold=[gold], benchmarks=[judged], output=tmp_path / "hard", weak_model="weak"
        ),
        embedder=hidden,
        settings=DifficultySettings(),
    )
    assert 1 <= report.similar_prompts < 30


def test_a_fit_that_is_regularised_more_believes_the_labels_less(
    routectl: Routectl, gold: Path, tiny: str, tmp_path: Path
) -> None:
    train = ("train", "mf", "--gold", gold, "--embedder", tiny, "--weak-model", "weak")
    spread = []
    for precision in ("1", "1000"):
        output = tmp_path / precision
        done = routectl(*train, "--precision", precision, "--output", output)
        assert done.code == 0, done.err
        assert f"| precision | {float(precision)} |" in (output / "README.md").read_text()
        router = open_router("mf", checkpoint=output).load()
        spread.append(float(np.ptp(router.strong_win_rates([text for text, _ in prompts(100)]))))
    assert spread[0] > 2 * spread[1]


def test_mf_learns_clusters_of_prompts_besides_what_is_hard(
    routectl: Routectl, gold: Path, tiny: str, tmp_path: Path
) -> None:
    output = tmp_path / "kinds"
    train = ("train", "mf", "--gold", gold, "--weak-model", "weak", "--embedder", tiny)
    options = ("--precision", "10", "--question-length", "--kinds", "2")
    done = routectl(*train, *options, "--output", output)
    assert done.code == 0, done.err
    opened = open_router("mf", checkpoint=output)
    router = opened.load()
    fresh = prompts(400)[300:]
    hard = np.array([is_hard for _, is_hard in fresh])
    rates = router.strong_win_rates([text for text, _ in fresh])
    assert rates[hard].mean() > rates[~hard].mean() + 0.1
    alone = []
    for text, _ in fresh:
        router.strong_win_rates([f"between {text}"])  # of the last batch the vectors are remembered
        alone.append(router.strong_win_rates([text])[0])
    assert np.abs(rates - np.array(alone)).max() <= opened.identity.noise < 1e-4
    card = (output / "README.md").read_text()
    assert "the direction differ near each of 2 clusters" in " ".join(card.split())
    assert "| kinds | 2 |" in card


def test_kinds_that_cannot_be_found_are_a_sentence(
    routectl: Routectl, gold: Path, tiny: str, hidden: str, tmp_path: Path
) -> None:
    base = ("train", "mf", "--gold", gold, "--weak-model", "weak", "--output")
    for number, (options, code, sentence) in enumerate(
        (
            (("--embedder", tiny, "--kinds", "0"), 2, "of at least 1, not 0"),
            (("--embedder", tiny, "--kinds", "999"), 1, "ask for fewer"),
            (("--embedder", hidden, "--kinds", "2"), 2, "has none; write"),
        )
    ):
        done = routectl(*base, tmp_path / f"no{number}", *options)
        assert done.code == code, done.err
        assert sentence in " ".join(done.err.split())
        assert not (tmp_path / f"no{number}").exists()


def test_a_second_fit_learns_from_the_held_out_prompts_too(
    routectl: Routectl, gold: Path, tiny: str, tmp_path: Path
) -> None:
    train = ("train", "mf", "--gold", gold, "--weak-model", "weak", "--embedder", tiny)
    fit = (*train, "--precision", "1")
    first = routectl(*fit, "--output", tmp_path / "first")
    second = routectl(*fit, "--refit", "--output", tmp_path / "second")
    assert (first.code, second.code) == (0, 0), second.err
    rates = [
        open_router("mf", checkpoint=tmp_path / name).load().strong_win_rates(["xyz", "abc"])
        for name in ("first", "second")
    ]
    assert (rates[0] != rates[1]).all()
    loss = [line for line in first.out.splitlines() if "held-out loss" in line]
    assert loss == [line for line in second.out.splitlines() if "held-out loss" in line]
    card = (tmp_path / "second" / "README.md").read_text()
    assert "are of a second one, which has learned from them, too" in " ".join(card.split())
    assert "| refit | True |" in card


def test_ranking_by_cosine_refuses_vectors_whose_cosines_say_nothing(
    routectl: Routectl, gold: Path, hidden: str, tmp_path: Path
) -> None:
    train = ("train", "sw_ranking", "--metric", "cosine", "--gold", gold, "--embedder", hidden)
    refused = routectl(*train, "--output", tmp_path / "no")
    assert refused.code == 2
    assert "sw_ranking weighs battles by cosine" in refused.err
