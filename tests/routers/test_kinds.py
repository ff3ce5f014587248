"""Clusters of prompts, near each of which difficulty has a direction of its own."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from routectl.checkpoint import read_checkpoint, read_weights
from routectl.errors import CheckpointError, InputError
from routectl.preferences.comparisons import make_comparisons
from routectl.preferences.gold import GoldRow
from routectl.routers import open_router
from routectl.routers.kinds import COMPONENTS, Kinds
from routectl.training.fits.difficulty import DifficultySettings, fit_difficulty
from tests.routers.checkpoints import mf_config, mf_tensors, write_mf

Vectors = NDArray[np.float32]


def three_kinds(count: int = 300, seed: int = 0) -> tuple[Vectors, Vectors, NDArray[np.int64]]:
    """Sentence embeddings around three axes, vectors of 30 numbers, and the kind of each."""
    generator = np.random.default_rng(seed)
    kind = np.arange(count) % 3
    sentences = np.eye(8)[kind] + 0.15 * generator.normal(size=(count, 8))
    vectors = generator.normal(size=(count, 30)) + kind[:, None]
    return sentences.astype(np.float32), vectors.astype(np.float32), kind


def test_the_kinds_are_found_without_being_told() -> None:
    sentences, vectors, kind = three_kinds()
    nearest = Kinds.fit(sentences, vectors, 3, seed=0).near(sentences).argmax(axis=1)
    for number in range(3):
        assert len(set(nearest[kind == number])) == 1
    assert len(set(nearest)) == 3


def test_a_usual_prompt_of_a_kind_is_near_it_and_far_from_the_others() -> None:
    sentences, vectors, _ = three_kinds()
    near = Kinds.fit(sentences, vectors, 3, seed=0).near(sentences)
    own = near.max(axis=1)
    assert own.mean() == pytest.approx(1, abs=0.01)
    assert np.sort(near, axis=1)[:, :2].max() < 0.05


def test_far_from_all_kinds_nothing_is_added() -> None:
    sentences, vectors, _ = three_kinds()
    kinds = Kinds.fit(sentences, vectors, 3, seed=0)
    elsewhere = np.eye(8, dtype=np.float32)[[5, 6, 7]]
    assert np.abs(kinds.of(elsewhere, vectors[:3])).max() < 0.01
    assert np.abs(kinds.of(sentences[:3], vectors[:3])).max() > 1


def test_no_kind_as_a_whole_becomes_harder_or_easier() -> None:
    sentences, vectors, _ = three_kinds()
    beside = Kinds.fit(sentences, vectors, 3, seed=0).of(sentences, vectors)
    assert beside.shape == (300, 3 * COMPONENTS)
    assert np.abs(beside.mean(axis=0)).max() < 1e-4


def test_nearer_than_any_prompt_of_the_training_counts_as_near() -> None:
    sentences, vectors, _ = three_kinds()
    kinds = Kinds.fit(sentences, vectors, 3, seed=0)
    np.testing.assert_allclose(
        kinds.near(kinds.centres).max(axis=1), kinds.near(sentences).max(axis=0), rtol=1e-5
    )


def test_the_length_of_an_embedding_does_not_matter() -> None:
    sentences, vectors, _ = three_kinds()
    kinds = Kinds.fit(sentences, vectors, 3, seed=0)
    np.testing.assert_allclose(kinds.near(sentences), kinds.near(7 * sentences), rtol=1e-4)


def test_the_same_seed_finds_the_same_kinds() -> None:
    sentences, vectors, _ = three_kinds()
    first, second = (Kinds.fit(sentences, vectors, 3, seed=4).tensors for _ in range(2))
    for name, tensor in first.items():
        np.testing.assert_array_equal(tensor, second[name])


def test_prompts_that_are_too_much_alike_for_so_many_clusters_are_a_sentence() -> None:
    alike = np.repeat(np.eye(8, dtype=np.float32)[:2], 20, axis=0)
    with pytest.raises(InputError, match="do not fall into 5 clusters"):
        Kinds.fit(alike, alike, 5, seed=0)


def test_how_fast_it_changes_is_bounded() -> None:
    sentences, _, _ = three_kinds()
    kinds = Kinds.fit(sentences, sentences, 3, seed=0)
    weights = np.random.default_rng(1).normal(size=kinds.width)
    step = 1e-3 * np.random.default_rng(2).normal(size=sentences.shape).astype(np.float32)
    moved = (
        kinds.of(sentences + step, sentences + step) - kinds.of(sentences, sentences)
    ) @ weights
    speed = np.abs(moved) / np.linalg.norm(step, axis=1)
    bound = kinds.steepest(sentences, sentences, weights)
    assert 0.05 * bound < speed.max() <= bound


def test_each_kind_has_a_difficulty_of_its_own_beside_the_common_one() -> None:
    """What is hard in one kind is easy in another: one direction cannot order both."""
    sentences, _, kind = three_kinds(1500)
    generator = np.random.default_rng(5)
    vectors = np.hstack([sentences, generator.normal(size=(1500, 4))]).astype(np.float32)
    hardness = vectors[:, -1] * np.array([3, -3, 0])[kind]
    rows = [
        GoldRow(f"{i}", {"strong": 1.0, "weak": float(generator.random() > 1 / (1 + np.exp(-h)))})
        for i, h in enumerate(hardness)
    ]
    comparisons = make_comparisons([], rows)
    kinds = Kinds.fit(sentences, vectors, 3, seed=0)
    beside = np.hstack([vectors, kinds.of(sentences, vectors).astype(np.float32)])
    order = {}
    for name, x in (("common", vectors), ("own", beside)):
        fit = fit_difficulty(
            x, comparisons, comparisons, DifficultySettings(precision=1), lambda *_: None
        )
        strong, weak = (comparisons.models.index(model) for model in ("strong", "weak"))
        gap = fit.model_vectors[strong] - fit.model_vectors[weak]
        t = x @ (fit.projection.T @ (fit.weights * gap))
        order[name] = [np.corrcoef(t[kind == k], hardness[kind == k])[0, 1] for k in (0, 1)]
    assert min(order["common"]) < 0.3
    assert min(order["own"]) > 0.8


def write_kinds(folder: Path, **changes: object) -> Path:
    """An mf checkpoint with two kinds of prompts of three components each."""
    generator = np.random.default_rng(3)
    tensors = mf_tensors()
    own = generator.normal(size=(4, 6)).astype(np.float32)
    tensors |= {
        "projection": np.hstack([tensors["projection"], own]),
        "kind_centres": generator.normal(size=(2, 384)).astype(np.float32) / np.float32(384**0.5),
        "kind_offsets": np.float32([0.1, 0.2]),
        "kind_most": np.float32([3, 3]),
        "kind_components": generator.normal(size=(3, 384)).astype(np.float32),
        "kind_means": generator.normal(size=(2, 3)).astype(np.float32),
    }
    for name in [name for name in changes if name in tensors]:
        tensors[name] = np.asarray(changes.pop(name), dtype=np.float32)
    kinds = {"count": 2, "components": 3, "sentence_dimension": 384, "temperature": 0.1}
    return write_mf(folder, config=mf_config(kinds=kinds | changes), tensors=tensors)


def test_a_checkpoint_with_kinds_scores_by_its_own_formula(tmp_path: Path) -> None:
    folder = write_kinds(tmp_path / "kinds")
    opened = open_router("mf", checkpoint=folder)
    router = opened.load()
    prompts = ["How many apples are left?", "def add(a, b):", "Who was Cicero?"]
    from routectl.embedding import open_embedder

    q = open_embedder().embed(prompts).astype(np.float64)
    tensors, _ = read_weights(read_checkpoint(folder, "mf"))
    unit = q / np.linalg.norm(q, axis=1, keepdims=True)
    near = np.exp((unit @ tensors["kind_centres"].T - tensors["kind_offsets"]) / 0.1)
    near = np.minimum(near, 3)
    departures = (q @ tensors["kind_components"].T)[:, None] - tensors["kind_means"]
    features = np.hstack([q, (near[:, :, None] * departures).reshape(3, 6)])
    vectors = tensors["model_vectors"].astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    logits = (features @ tensors["projection"].T) @ (tensors["weights"] * (vectors[0] - vectors[2]))
    np.testing.assert_allclose(
        router.strong_win_rates(prompts), 1 / (1 + np.exp(-logits)), rtol=1e-4
    )


def test_kinds_are_part_of_the_fingerprint(tmp_path: Path) -> None:
    folders = [
        write_kinds(tmp_path / "one"),
        write_kinds(tmp_path / "two", kind_offsets=[0.1, 0.3]),
        write_mf(tmp_path / "three"),
    ]
    prints = {open_router("mf", checkpoint=folder).identity.fingerprint for folder in folders}
    assert len(prints) == 3


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"temperature": 0.2}, "has clusters of prompts that this routectl cannot use; upgrade"),
        ({"count": 0}, "has clusters of prompts that this routectl cannot use"),
        ({"sentence_dimension": 385}, "has clusters of prompts that this routectl cannot use"),
        ({"count": 3}, r"'kind_centres' has the shape \(2, 384\).* calls for \(3, 384\)"),
        ({"count": "two"}, r"no usable value for 'kinds\.count'"),
        ({"kind_most": [0, 1]}, "a cluster of prompts has no centre, or no prompt near it"),
        ({"kind_centres": np.zeros((2, 384))}, "a cluster of prompts has no centre"),
        ({"kind_means": np.full((2, 3), np.nan)}, "'kind_means'"),
    ],
)
def test_clusters_that_cannot_be_are_refused(
    tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        open_router("mf", checkpoint=write_kinds(tmp_path / "bad", **changes))


def test_a_checkpoint_without_a_part_of_its_kinds_is_refused(tmp_path: Path) -> None:
    kinds = {"count": 2, "components": 3, "sentence_dimension": 384, "temperature": 0.1}
    folder = write_mf(tmp_path / "bad", config=mf_config(kinds=kinds))
    with pytest.raises(CheckpointError, match="holds no tensor 'kind_centres'"):
        open_router("mf", checkpoint=folder)
