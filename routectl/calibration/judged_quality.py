"""The quality of a cut, by judged requests."""

from __future__ import annotations

import math

import numpy as np

from routectl.calibration.arrays import Booleans
from routectl.calibration.intervals import Interval
from routectl.calibration.loss import JudgedSample


def expected_quality(
    judged: JudgedSample, is_strong: Booleans, confidence: float
) -> tuple[float, Interval | None]:
    """The mean quality where each request is answered by the model that it goes to.

    A ratio of weighted sums, with the linearised variance of rows that were drawn by strata
    (Cochran 1977, section 6.4) and the t distribution.

    Args:
        is_strong: which judged requests go to the strong model, bool[n].
        confidence: in (0, 1).

    Returns:
        The mean, and its interval; None where no stratum has two rows.
    """
    from scipy.special import stdtrit

    weights = judged.weights
    quality = np.where(is_strong, judged.strong_quality, judged.weak_quality)
    total = float(weights.sum())
    mean = float(weights @ quality) / total
    residuals = weights * (quality - mean) / total
    variance, degrees_of_freedom = 0.0, 0
    for stratum in np.unique(judged.strata):
        part = residuals[judged.strata == stratum]
        if len(part) > 1:
            variance += len(part) * float(np.var(part, ddof=1))
            degrees_of_freedom += len(part) - 1
    if degrees_of_freedom == 0:
        return mean, None
    half = -float(stdtrit(degrees_of_freedom, (1 - confidence) / 2)) * math.sqrt(variance)
    return mean, Interval(mean - half, mean + half, confidence, "t, stratified ratio")
