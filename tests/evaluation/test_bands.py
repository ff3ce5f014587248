from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from routectl.errors import InputError
from routectl.evaluation.bands import quality_bands
from routectl.evaluation.metrics import quality_curve

AT = np.linspace(0, 1, 5)

rows = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3), st.integers(1, 5)),
    min_size=1,
    max_size=12,
).map(lambda found: np.array(found, dtype=float).T)


@given(rows, st.integers(0, 3))
@settings(deadline=None, max_examples=40)
def test_a_band_lies_at_percentiles_of_the_curves_of_the_draws(
    found: NDArray[np.float64], seed: int
) -> None:
    strong, weak, scores, weights = found
    n, draws = len(scores), 40
    band = quality_bands(
        {"a": scores, "b": -scores},
        strong,
        weak,
        strong_fractions=AT,
        weights=weights,
        draws=draws,
        seed=seed,
        confidence=0.9,
    )["a"]
    curves = []
    for prompts in np.random.default_rng(seed).integers(0, n, (draws, n)):
        curve = quality_curve(scores[prompts], strong[prompts], weak[prompts], weights[prompts])
        curves.append(np.interp(AT, curve.strong_fraction, curve.quality))
    # The 5 % and 95 % points lie between two draws; the outer one is taken.
    expected = np.sort(curves, axis=0)[[1, 38]]
    assert np.array([band.low, band.high]) == pytest.approx(expected, abs=1e-9)


def test_nine_of_ten_bands_hold_the_true_quality_at_a_strong_fraction() -> None:
    """u is the rank of a score; strong gains with probability u, weak is right in half of all.

    At the strong fraction f the true gain is the mean of u over the f highest, (1 - (1 - f)^2) / 2.
    """
    generator = np.random.default_rng(0)
    at = np.array([0.0, 0.2, 0.5, 0.8, 1.0])
    true = 0.5 + (1 - (1 - at) ** 2) / 2
    held, samples = np.zeros(len(at)), 200
    for seed in range(samples):
        u = generator.random(80)
        weak = generator.integers(0, 2, 80).astype(float)
        strong = weak + (generator.random(80) < u)
        band = quality_bands(
            {"": u}, strong, weak, strong_fractions=at, draws=200, seed=seed, confidence=0.9
        )[""]
        held += (band.low <= true) & (true <= band.high)
    coverage = held / samples
    # Three standard errors of 200 samples at 0.9 are 0.064.
    assert (coverage > 0.83).all()
    assert (coverage < 0.97).all()


def test_rows_drawn_by_strata_vary_only_within_them() -> None:
    strata = np.repeat([0, 1], 20)
    quality = strata.astype(float)
    apart, together = (
        quality_bands(
            {"": quality}, quality, quality, strong_fractions=AT, strata=given_, draws=50, seed=0
        )[""]
        for given_ in (strata, None)
    )
    assert apart.low == pytest.approx(0.5)
    assert apart.high == pytest.approx(0.5)
    assert (together.high - together.low > 0.1).all()


def test_a_bands_draws_are_the_seeds() -> None:
    generator = np.random.default_rng(0)
    scores, strong, weak = generator.random((3, 30))

    def low(seed: int, **more: Any) -> list[float]:
        found = quality_bands(
            {"a": scores, **more}, strong, weak, strong_fractions=AT, draws=20, seed=seed
        )
        return list(found["a"].low)

    assert low(1) == low(1) == low(1, b=-scores)
    assert low(1) != low(2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"strong_fractions": [0.5, 1.1]}, "between 0 and 1"),
        ({"confidence": 1.0}, "confidence"),
        ({"draws": 0}, "at least one draw"),
        ({"weights": [1.0, 0.0]}, "above 0"),
    ],
)
def test_what_makes_no_band_is_said(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        quality_bands({"a": [0.1, 0.2]}, [1, 1], [0, 1], **({"strong_fractions": [0.5], **change}))
