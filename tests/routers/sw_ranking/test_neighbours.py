import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routectl.routers.sw_ranking import neighbours
from routectl.routers.sw_ranking.neighbours import Neighbours, unit


def direct(
    vectors: np.ndarray, counts: np.ndarray, group: np.ndarray, queries: np.ndarray
) -> np.ndarray:
    """The formula, in double precision and at once."""
    v, q = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (vectors, queries))
    similarity = q @ v.T
    nearest = similarity.max(axis=1, keepdims=True)
    weights = 10 ** np.maximum(similarity / nearest, neighbours.LEAST_EXPONENT)
    return np.where(nearest > 0, weights, 1.0) @ counts[group]


@settings(deadline=None)
@given(
    st.integers(1, 60),
    st.integers(1, 30),
    st.integers(1, 5),
    st.integers(1, 12),
    st.integers(0, 2**32 - 1),
)
def test_statistics_are_those_of_the_formula(
    prompts: int, queries: int, dimension: int, rows: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    vectors, asked = (
        random.normal(size=(prompts, dimension)),
        random.normal(size=(queries, dimension)),
    )
    counts = random.integers(0, 5, size=(rows, 3)) / 2
    group = np.sort(random.integers(rows, size=prompts))
    index = Neighbours(vectors.astype(np.float32), counts, group)
    v, q = index.vectors.astype(np.float64), unit(asked).astype(np.float64)
    similarity = (q @ v.T).max(axis=1)
    # Where nothing resembles the query, the last bits of single precision decide.
    sure = np.abs(similarity) > 0.05
    found, wanted = index.statistics(asked.astype(np.float32)), direct(v, counts, group, q)
    np.testing.assert_allclose(found[sure], wanted[sure], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rows", [4, 9000])
def test_tiles_and_blocks_change_nothing(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    vectors, asked = (random.normal(size=(n, 16)).astype(np.float32) for n in (9001, 50))
    counts = random.integers(0, 5, size=(rows, 6)) / 2
    group = np.sort(random.integers(rows, size=9001))
    whole = Neighbours(vectors, counts, group).statistics(asked)
    monkeypatch.setattr(neighbours, "_COLUMNS", 100)
    monkeypatch.setattr(neighbours, "_QUERIES", 7)
    monkeypatch.setattr(neighbours, "_FEWEST_QUERIES", 1)
    np.testing.assert_allclose(
        Neighbours(vectors, counts, group).statistics(asked), whole, rtol=2e-6
    )
    np.testing.assert_allclose(whole, direct(vectors, counts, group, asked), rtol=2e-5)


def test_the_nearest_battle_weighs_ten_and_an_unrelated_one_weighs_one() -> None:
    index = Neighbours(np.eye(3, dtype=np.float32), np.ones((1, 1)), np.zeros(3, int))
    query = np.array([[0.5, 0.0, -0.25]], dtype=np.float32)
    np.testing.assert_allclose(index.weights(query), [[10, 1, 10**-0.5]], rtol=1e-6)


def test_prompts_that_are_there_twice_count_twice() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    counts = np.array([[1.0], [2.0]])
    twice = Neighbours(vectors, counts, np.array([0, 0, 1]))
    query = np.array([[1, 0.5]], dtype=np.float32)
    once = Neighbours(vectors[1:], np.array([[2.0], [2.0]]), np.array([0, 1]))
    np.testing.assert_allclose(twice.statistics(query), once.statistics(query), rtol=1e-6)


@pytest.mark.parametrize("query", [[-1.0, 0.0], [-1.0, -0.7], [-0.001, 0.0]])
def test_where_nothing_resembles_the_prompt_all_battles_weigh_the_same(query: list[float]) -> None:
    vectors = np.array([[1, 0], [0.6, -0.8]], dtype=np.float32)
    index = Neighbours(vectors, np.eye(2), np.array([0, 1]))
    similar = vectors @ np.array(query, dtype=np.float32)
    assert similar.max() <= 0
    np.testing.assert_array_equal(index.statistics(np.array([query], np.float32)), [[1, 1]])


def test_a_nearest_prompt_that_is_far_does_not_silence_the_others() -> None:
    index = Neighbours(np.array([[0.01, 1], [-1, 0]], np.float32), np.eye(2), np.array([0, 1]))
    weights = index.weights(np.array([[1.0, 0.0]], np.float32))
    np.testing.assert_allclose(weights, [[10, 1e-3]], rtol=1e-5)


def test_no_prompt_has_no_statistics() -> None:
    index = Neighbours(np.eye(3, dtype=np.float32), np.ones((1, 4)), np.zeros(3, int))
    assert index.statistics(np.empty((0, 3), np.float32)).shape == (0, 4)
