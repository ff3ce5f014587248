"""How sure a whole curve is: an interval of the mean quality at each strong fraction."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routectl.errors import InputError
from routectl.evaluation.bootstrap import Ranked
from routectl.evaluation.metrics import checked_weights
from routectl.evaluation.resampling import drawn_counts

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Band:
    """Intervals of the mean quality, each for its own strong fraction (pointwise).

    That the whole curve lies in its band is less sure than that one point of it does.
    """

    strong_fraction: Floats
    """Shape (g,), as they were asked for."""
    low: Floats
    """Shape (g,), in the quality's own unit."""
    high: Floats


def quality_bands(
    scores: Mapping[str, ArrayLike],
    strong_quality: ArrayLike,
    weak_quality: ArrayLike,
    *,
    strong_fractions: ArrayLike,
    weights: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    draws: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, Band]:
    """Percentile intervals of each router's curve, from the same draws for all of them.

    They are the draws that `bootstrap` makes with the same seed. Most of a band's width is how
    good the prompts' answers are on average, which all routers share: bands that overlap do not
    say that two routers are alike, `Bootstrap.compare` does.

    Args:
        scores, strong_quality, weak_quality, weights, strata: as for `bootstrap`.
        strong_fractions: shape (g,), each in [0, 1].
        draws: at least 1.
        confidence: in (0, 1).

    Raises:
        InputError: as `bootstrap`; or a strong fraction or confidence out of range.
    """
    at = np.asarray(strong_fractions, dtype=np.float64)
    if not ((at >= 0) & (at <= 1)).all():
        raise InputError("Strong fractions lie between 0 and 1, and some of these do not.")
    if not 0 < confidence < 1:
        raise InputError(f"A confidence lies between 0 and 1, and {confidence} does not.")
    if draws < 1:
        raise InputError(f"A bootstrap takes at least one draw, and {draws} was asked for.")
    routers = {name: Ranked.of(s, strong_quality, weak_quality) for name, s in scores.items()}
    weak = np.asarray(weak_quality, dtype=np.float64)
    row_weights = np.ones(len(weak)) if weights is None else checked_weights(weights, len(weak))
    drawn: dict[str, list[Floats]] = {name: [] for name in routers}
    for counts in drawn_counts(len(weak), draws, seed, strata):
        requests = counts * row_weights
        total = requests.sum(axis=1)
        weak_mean = requests @ weak / total
        for name, router in routers.items():
            sums = router.sums(router.ranking.ordered(requests))
            for n, mean, above, gain in zip(total, weak_mean, *sums, strict=True):
                drawn[name].append(mean + np.interp(at, above / n, gain / n))
    return {name: _band(at, np.array(curves), confidence) for name, curves in drawn.items()}


def _band(at: Floats, curves: Floats, confidence: float) -> Band:
    """Order statistics, outwards, as those of `bootstrap`."""
    ordered = np.sort(curves, axis=0)
    tail, last = (1 - confidence) / 2, len(curves) - 1
    return Band(at, ordered[math.floor(tail * last)], ordered[math.ceil((1 - tail) * last)])
