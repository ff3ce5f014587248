"""`sw_ranking` by a learned metric: prompts are alike that are about as hard."""

import json
from pathlib import Path

import numpy as np
import pytest

from routectl.checkpoint import read_checkpoint, read_weights
from routectl.errors import CheckpointError, InputError
from routectl.evaluation.metrics import apgr, quality_curve
from routectl.routers import open_router
from routectl.routers.features import Features
from routectl.routers.sw_ranking.metric import COMPONENTS, STRETCH, Metric
from routectl.training import TrainingReport, TrainingRequest, train_sw_ranking
from tests.conftest import Routectl
from tests.routers.tiny_llama import make_base
from tests.training.test_sw_ranking import damaged


def letters(count: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Prompts of random letters, and which are hard: the long ones, whatever they say."""
    generator = np.random.default_rng(seed)
    sizes = generator.integers(10, 40, size=count)
    texts = ["".join(generator.choice(list("abcdefxy"), size=size)) for size in sizes]
    return texts, sizes > 25


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "gold.jsonl"
    rows = [
        {"prompt": text, "scores": {"strong": 1, "weak": int(not hard), "weaker": 0}}
        for text, hard in zip(*letters(400), strict=True)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def train(gold: Path, embedder: str, output: Path, metric: str) -> TrainingReport:
    request = TrainingRequest(output=output, gold=[gold], strong_model="strong", weak_model="weak")
    return train_sw_ranking(
        request,
        embedder=embedder,
        metric="difficulty" if metric == "difficulty" else "cosine",
        question_length=metric == "difficulty",
    )


@pytest.fixture(scope="module")
def trained(gold: Path, tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("trained") / "checkpoint"
    train(gold, tiny, output, "difficulty")
    return output


def quality(folder: Path) -> float:
    """APGR on prompts that were not learned from."""
    texts, hard = letters(300, seed=1)
    scores = open_router("sw_ranking", checkpoint=folder).load().strong_win_rates(texts)
    return apgr(quality_curve(scores, np.ones(len(texts)), 1.0 - hard))


def test_prompts_that_are_about_as_hard_count_more(
    gold: Path, tiny: str, trained: Path, tmp_path: Path
) -> None:
    """Cosines of all that the prompts say drown the little that makes them hard."""
    train(gold, tiny, tmp_path / "cosine", "cosine")
    assert quality(trained) > quality(tmp_path / "cosine") + 0.1


def test_a_prompt_scores_alike_alone_and_in_a_batch_within_the_noise(trained: Path) -> None:
    opened = open_router("sw_ranking", checkpoint=trained)
    router = opened.load()
    texts = [*letters(60, seed=2)[0], "?", "y" * 400]
    together = router.strong_win_rates(texts)
    alone = []
    for text in texts:
        router.strong_win_rates([f"between {text}"])  # of the last batch the vectors are remembered
        alone.append(router.strong_win_rates([text])[0])
    assert np.abs(together - np.array(alone)).max() <= opened.identity.noise < 1e-3
    assert "and the length of its question" in opened.description.reads


def test_the_card_says_what_is_compared(trained: Path) -> None:
    card = " ".join((trained / "README.md").read_text().split())
    assert "| metric | difficulty |" in card
    assert "the length of the whole question" in card
    tensors, _ = read_weights(read_checkpoint(trained, "sw_ranking"))
    numbers = len(tensors["metric_offset"])
    assert f"compared are {numbers} numbers of that" in card
    assert tensors["vectors"].shape[1] == numbers
    assert tensors["vectors"].dtype == np.float16


@pytest.mark.slow
def test_hidden_states_whose_cosines_say_nothing_can_be_compared_so(
    gold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    hidden = f"hidden:{make_base(tmp_path / 'base')}"
    train(gold, hidden, tmp_path / "hard", "difficulty")
    assert quality(tmp_path / "hard") > 0.6
    assert open_router("sw_ranking", checkpoint=tmp_path / "hard").description.slow
    tensors, _ = read_weights(read_checkpoint(tmp_path / "hard", "sw_ranking"))
    assert tensors["centre"].shape == tensors["spread"].shape == (96,)


def test_a_metric_that_is_missing_or_not_asked_for_is_a_sentence(
    routectl: Routectl, gold: Path, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    hidden = f"hidden:{make_base(tmp_path / 'base')}"
    for number, (embedder, options, sentence) in enumerate(
        (
            (tiny, ("--question-length",), "--question-length belongs to --metric difficulty"),
            (hidden, (), "says nothing between the vectors of"),
        )
    ):
        output = tmp_path / f"no{number}"
        done = routectl(
            *("train", "sw_ranking", "--metric", "cosine", "--gold", gold, "--embedder", embedder),
            *options,
            *("--output", output),
        )
        assert done.code == 2, done.err
        assert sentence in " ".join(done.err.split())
        assert not output.exists()
    assert "leave out --metric cosine" in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ({"metric": None}, "holds no tensor 'metric'"),
        ({"metric_offset": np.zeros(3, np.float32)}, "'metric_offset' has the shape"),
    ],
)
def test_a_damaged_metric_is_a_sentence(
    trained: Path, tmp_path: Path, missing: dict[str, np.ndarray | None], sentence: str
) -> None:
    folder = damaged(trained, tmp_path / "damaged", {}, **missing)
    with pytest.raises(CheckpointError, match=sentence):
        open_router("sw_ranking", checkpoint=folder)


def test_a_metric_of_another_kind_is_a_sentence(trained: Path, tmp_path: Path) -> None:
    config = {"metric": {"learned": "later", "dimension": 33}}
    folder = damaged(trained, tmp_path / "damaged", config)
    with pytest.raises(CheckpointError, match="by the metric 'later', which this routectl cannot"):
        open_router("sw_ranking", checkpoint=folder)


def test_a_metric_that_the_config_does_not_speak_of_is_a_sentence(
    gold: Path, tiny: str, tmp_path: Path
) -> None:
    train(gold, tiny, tmp_path / "cosine", "cosine")
    folder = damaged(tmp_path / "cosine", tmp_path / "damaged", {}, metric=np.zeros((2, 32)))
    with pytest.raises(CheckpointError, match="'metric' of a learned metric, of which the config"):
        open_router("sw_ranking", checkpoint=folder)


def test_components_have_equal_spread_and_the_difficulty_its_own() -> None:
    generator = np.random.default_rng(0)
    vectors = (generator.normal(size=(500, 200)) * np.geomspace(1, 1e-3, 200)).astype(np.float32)
    direction = np.zeros(200)
    direction[7] = 3.0
    metric = Metric.fit(Features(), vectors, direction)
    found = metric.between(vectors)
    assert found.shape == (500, COMPONENTS + 1)
    np.testing.assert_allclose(found[:, :-1].std(axis=0), COMPONENTS**-0.5, rtol=1e-4)
    np.testing.assert_allclose(np.square(found[:, :-1]).sum(axis=1).mean(), 1, rtol=1e-4)
    np.testing.assert_allclose(found[:, -1].std(), STRETCH, rtol=1e-4)
    assert np.corrcoef(found[:, -1], vectors[:, 7])[0, 1] > 0.9999


@pytest.mark.parametrize(
    ("vectors", "direction"),
    [(np.ones((5, 3), np.float32), np.ones(3)), (np.eye(3, dtype=np.float32), np.zeros(3))],
)
def test_prompts_that_are_all_alike_have_no_metric(
    vectors: np.ndarray, direction: np.ndarray
) -> None:
    with pytest.raises(InputError, match=r"prompts are all alike, or none is harder than another"):
        Metric.fit(Features(), vectors, direction)
