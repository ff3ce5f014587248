"""RouteLLM's own procedure, to compare with figures that were published (its evals/evaluate.py).

It cuts at the quantiles of the scores into bins of equal counts, and reads AUC, APGR and CPT off
the few points that this gives. The exact curve of `metrics` needs no bins; the two differ by what
the bins leave out. CPT is NumPy's interpolation over qualities that need not rise, which is what
the published code does; where they fall somewhere, its answer is one of several crossings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routectl.errors import InputError
from routectl.evaluation.metrics import checked

SHARES = (0.2, 0.5, 0.8)
"""Of the gap: those whose CPT the published code prints."""


@dataclass(frozen=True, slots=True)
class BinnedFigures:
    """What the published procedure gives."""

    bins: int
    strong_fraction: NDArray[np.float64]
    """Shape (bins + 1,), ascending."""
    quality: NDArray[np.float64]
    """Shape (bins + 1,), in the quality's own unit."""
    auc: float
    """In the quality's own unit."""
    apgr: float
    cpt: Mapping[float, float]
    """By share of the gap."""


def binned_figures(
    scores: ArrayLike, strong_quality: ArrayLike, weak_quality: ArrayLike, bins: int = 10
) -> BinnedFigures:
    """Figures from `bins` quantile cuts, by trapezoids and interpolation.

    Args:
        scores: shape (n,), high = strong model.
        strong_quality, weak_quality: shape (n,), any unit.
        bins: at least 1; the published code takes 10.

    Raises:
        InputError: as `metrics.quality_curve`; or equal scores make two cuts one, where the
            published code stops too; or the two models are equally good on average.
    """
    ranked, strong, weak = checked(scores, strong_quality, weak_quality)
    if bins < 1:
        raise InputError(f"The published procedure takes one bin or more, not {bins}.")
    # As pandas.qcut asks NumPy for its edges; the last bit decides who is above an edge.
    edges = np.percentile(ranked, np.linspace(0, 1, bins + 1) * 100)
    if len(np.unique(edges)) < len(edges):
        raise InputError(
            f"Equal scores leave {len(np.unique(edges))} different cuts of {bins + 1}, where the "
            "published procedure stops; take fewer --bins, or none for the exact curve."
        )
    points = []
    for edge in edges:
        chosen = ranked > edge if edge == edges[-1] else ranked >= edge
        points.append((chosen.mean(), np.where(chosen, strong, weak).mean()))
    fraction, quality = np.array(sorted(points)).T
    low, high = weak.mean(), strong.mean()
    width = fraction[-1] - fraction[0]
    if high == low or width == 0:
        raise InputError(
            "Both models are equally good on these prompts, so there is no gap to recover."
        )
    area = float(np.trapezoid(quality, fraction))
    return BinnedFigures(
        bins=bins,
        strong_fraction=fraction,
        quality=quality,
        auc=area,
        apgr=float((area - low * width) / ((high - low) * width)),
        cpt={x: float(np.interp(x * (high - low) + low, quality, fraction)) for x in SHARES},
    )
