import numpy as np
import pytest

from routectl.embedding.shared import open_shared

pytestmark = pytest.mark.slow


class Counting:
    """The embedder beneath, and how many texts it was asked for."""

    def __init__(self, embedder) -> None:  # type: ignore[no-untyped-def]
        self.embedder = embedder
        self.asked: list[list[str]] = []

    def embed(self, texts: list[str]) -> np.ndarray:
        self.asked.append(texts)
        return self.embedder.embed(texts)  # type: ignore[no-any-return]

    def longer_than_read(self, texts: list[str]) -> np.ndarray:
        self.asked.append(texts)
        return self.embedder.longer_than_read(texts)  # type: ignore[no-any-return]


def test_whoever_opens_the_same_embedder_gets_the_same_object(tiny: str) -> None:
    first = open_shared(tiny)
    assert open_shared(tiny) is first


def test_a_batch_that_was_embedded_is_not_embedded_again(tiny: str) -> None:
    shared = open_shared(tiny)
    beneath = Counting(shared._embedder)
    shared._embedder = beneath  # type: ignore[assignment]
    texts = ["one", "two", "one", "three"]
    vectors = shared.embed(texts)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    np.testing.assert_array_equal(shared.embed(texts), vectors)
    np.testing.assert_array_equal(shared.embed(["three", "four"])[0], vectors[3])
    assert beneath.asked == [["one", "two", "three"], ["four"]]
    # What is not in the last batch is forgotten.
    shared.embed(["two"])
    assert beneath.asked[2:] == [["two"]]


def test_lengths_are_remembered_likewise(tiny: str) -> None:
    shared = open_shared(tiny)
    beneath = Counting(shared._embedder)
    shared._embedder = beneath  # type: ignore[assignment]
    assert shared.longer_than_read(["a", "b" * 99]).tolist() == [False, True]
    assert shared.longer_than_read(["b" * 99, "a"]).tolist() == [True, False]
    assert len(beneath.asked) == 1
    assert shared.embed([]).shape == (0, 32)
