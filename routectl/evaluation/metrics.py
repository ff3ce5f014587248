"""How good a router is: the gap it recovers, exactly, from the curve over all achievable cuts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from routectl.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Curve:
    """The gap recovered at each achievable strong fraction, both from 0 to 1.

    Prompts with equal scores move together; between two cuts the curve is a straight line, which
    is what a coin thrown among the tied prompts gives on average.
    """

    strong_fraction: NDArray[np.float64]
    """Shape (cuts + 1,), ascending from 0 to 1."""
    gap_recovered: NDArray[np.float64]
    """Shape (cuts + 1,): PGR (RouteLLM, equation 3), 0 for always-weak and 1 for always-strong."""


def quality_curve(
    scores: NDArray[np.float64],
    strong_quality: NDArray[np.float64],
    weak_quality: NDArray[np.float64],
) -> Curve:
    """The curve of a router's scores on prompts whose quality with either model is known.

    Args:
        scores: shape (n,), high = strong model.
        strong_quality: shape (n,), how good the strong model's answer is; any unit.
        weak_quality: shape (n,), the same for the weak model.

    Raises:
        InputError: the strong model is no better on average, so there is no gap to recover.
    """
    import numpy as np

    gain = strong_quality - weak_quality
    if not gain.sum() > 0:
        raise InputError(
            "The strong model is no better than the weak one on these prompts, so there is no gap "
            "to recover; check which of the two is the strong one."
        )
    _, group = np.unique(-scores, return_inverse=True)
    fractions = np.cumsum(np.bincount(group)) / len(scores)
    recovered = np.cumsum(np.bincount(group, weights=gain)) / gain.sum()
    return Curve(np.concatenate(([0.0], fractions)), np.concatenate(([0.0], recovered)))


def apgr(curve: Curve) -> float:
    """Average performance gap recovered: the area under the curve (RouteLLM, equation 4).

    The paper averages over a few cost thresholds; this is the exact integral. Scores that know
    nothing have the expectation 0.5.
    """
    import numpy as np

    return float(np.trapezoid(curve.gap_recovered, curve.strong_fraction))


def apgr_interval(
    scores: NDArray[np.float64],
    strong_quality: NDArray[np.float64],
    weak_quality: NDArray[np.float64],
    *,
    confidence: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of APGR over prompts.

    Draws of prompts on which the strong model happens to be no better have no APGR and are left
    out.

    Args:
        scores, strong_quality, weak_quality: as for `quality_curve`.
        confidence: in (0, 1).

    Raises:
        InputError: no draw has a gap to recover.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    n = len(scores)
    values = []
    for _ in range(draws):
        rows = generator.integers(0, n, n)
        try:
            drawn = quality_curve(scores[rows], strong_quality[rows], weak_quality[rows])
        except InputError:
            continue
        values.append(apgr(drawn))
    if not values:
        quality_curve(scores, strong_quality, weak_quality)
        raise InputError("The gap between the two models is too small to give APGR an interval.")
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
