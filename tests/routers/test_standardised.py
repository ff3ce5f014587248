"""Numbers of very different sizes count alike, and what is rounding counts for nothing."""

import numpy as np

from routectl.routers.standardised import Standardisation


def vectors() -> np.ndarray:
    """A thousand of length 1: two numbers that matter, one all but constant, one of rounding."""
    rng = np.random.default_rng(0)
    columns = (
        rng.normal(0, 1e-3, 1000),
        rng.normal(0.9, 1e-2, 1000),
        np.full(1000, 0.3),
        rng.normal(1e-33, 1e-33, 1000),
    )
    found = np.column_stack(columns)
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def test_what_varies_has_the_same_size() -> None:
    sizes = Standardisation.fit(vectors()).of(vectors()).std(axis=0) * 2
    np.testing.assert_allclose(sizes[:3], 1, rtol=1e-5)


def test_a_number_that_varies_by_less_than_rounding_stays_at_zero() -> None:
    """MiniLM has such numbers; blown up to the size of the others they would be noise alone."""
    found = Standardisation.fit(vectors())
    assert np.abs(found.of(vectors())[:, 3]).max() < 1e-30
    assert found.spread.min() > 1e-3
    moved = vectors() + np.float32(1e-7)
    assert np.abs(found.of(moved) - found.of(vectors())).max() < 1e-3


def test_a_constant_number_stays_at_zero() -> None:
    same = np.tile(np.float32([0.6, 0.8]), (5, 1))
    np.testing.assert_array_equal(Standardisation.fit(same).of(same), np.zeros((5, 2)))
