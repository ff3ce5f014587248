"""Nearest neighbours in tiles are those of the whole product, and their mean is honest."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from routectl import similarity
from routectl.similarity import mean_similarity, nearest, similar_pairs

SIGNS = st.lists(
    st.tuples(*[st.sampled_from([-0.5, 0.5])] * 4), min_size=1, max_size=30
)  # unit vectors whose cosines are exact, and often equal


def units(count: int, seed: int, width: int = 16) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(count, width))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


@pytest.fixture(autouse=True)
def _small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "TILE_QUERIES", 4)
    monkeypatch.setattr(similarity, "TILE_OTHERS", 7)


@given(SIGNS, SIGNS)
def test_the_nearest_is_that_of_the_whole_product_and_the_first_of_equals(
    some: list[tuple[float, ...]], others: list[tuple[float, ...]]
) -> None:
    a, b = np.array(some, dtype=np.float32), np.array(others, dtype=np.float32)
    whole = a @ b.T
    found = nearest(a, b)
    assert found.cosine.tolist() == whole.max(axis=1).tolist()
    assert found.index.tolist() == whole.argmax(axis=1).tolist()


@given(SIGNS, SIGNS, st.sampled_from([-1.0, 0.0, 0.5, 0.7, 1.0]))
def test_the_pairs_are_those_of_the_whole_product(
    some: list[tuple[float, ...]], others: list[tuple[float, ...]], threshold: float
) -> None:
    a, b = np.array(some, dtype=np.float32), np.array(others, dtype=np.float32)
    whole = a @ b.T
    found = {
        (int(q), int(o)): float(c)
        for pairs in similar_pairs(a, b, threshold)
        for q, o, c in zip(pairs.query, pairs.other, pairs.cosine, strict=True)
    }
    expected = {(int(q), int(o)): float(whole[q, o]) for q, o in np.argwhere(whole >= threshold)}
    assert found == expected


def test_a_vector_is_at_cosine_one_to_itself_however_it_is_rounded() -> None:
    vectors = units(100, seed=0, width=384)
    pairs = list(similar_pairs(vectors, vectors, 1.0))
    assert sorted(np.concatenate([p.query for p in pairs])) == list(range(100))
    assert max(float(p.cosine.max()) for p in pairs) <= 1.0
    assert nearest(vectors, vectors).index.tolist() == list(range(100))


def test_memory_stays_flat_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "TILE_QUERIES", 64)
    monkeypatch.setattr(similarity, "TILE_OTHERS", 128)
    queries, others = units(3000, seed=1), units(4000, seed=2)
    tracemalloc.start()
    nearest(queries, others)
    for _ in similar_pairs(queries, others, 0.99):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400_000  # the whole product would take 48 MB


def test_nothing_to_be_near_to_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to be near to"):
        nearest(units(2, 0), units(0, 0))
    assert len(nearest(units(0, 0), units(0, 0)).cosine) == 0
    assert list(similar_pairs(units(2, 0), units(0, 0), 0.5)) == []


def test_vectors_of_different_embedders_are_not_compared() -> None:
    with pytest.raises(ValueError, match="shapes"):
        nearest(units(2, 0), units(2, 0, width=8))


def test_the_mean_counts_requests() -> None:
    found = mean_similarity(np.array([0.2, 0.8], dtype=np.float32), np.array([3.0, 1.0]))
    assert found.mean == pytest.approx(0.35)
    assert found.effective_prompts == pytest.approx(1.6)


def test_one_prompt_says_nothing_of_the_others() -> None:
    found = mean_similarity(np.array([0.7], dtype=np.float32), np.array([5.0]))
    assert (found.low, found.high) == (-1.0, 1.0)


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_the_interval_covers_the_true_mean_as_often_as_it_says(spread: float) -> None:
    """Frequent prompts are nearer here, as they are in traffic: the weights matter."""
    random = np.random.default_rng(5)

    def sample(n: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        weights = np.exp(spread * random.normal(size=n))
        cosine = np.tanh(0.3 + 0.2 * np.log(weights) + 0.3 * random.normal(size=n))
        return cosine.astype(np.float32), weights

    cosine, weights = sample(2_000_000)
    truth = float(weights @ cosine) / float(weights.sum())
    intervals = [mean_similarity(*sample(150)) for _ in range(1500)]
    covered = sum(i.low <= truth <= i.high for i in intervals) / len(intervals)
    assert 0.93 <= covered <= 0.975
