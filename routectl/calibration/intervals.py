"""Two different statements about certainty: the long run, and the next N requests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routectl.calibration.arrays import Floats, Integers
from routectl.calibration.effective_size import EffectiveSize

MOST_REQUESTS = 1_000_000
"""Beyond this many independent requests the interval for the next N no longer narrows visibly
(0.001 point); more are computed as this many, which is never too narrow."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval for a strong fraction."""

    low: float
    high: float
    confidence: float
    method: str


def long_run_interval(size: EffectiveSize, confidence: float = 0.95) -> Interval:
    """The share of all requests to come that this threshold sends to the strong model.

    With k of n independent requests above the gap, the share above its upper end is
    distributed as Beta(k, n-k+1) and the share above its lower end as Beta(k+1, n-k), whatever
    the distribution of the scores (the law of a uniform order statistic; David and Nagaraja
    2003, section 2.1). The outer quantiles are the end points of Clopper and Pearson (1934).
    n is the effective size after the t correction, and k = p n, as in Korn and Graubard (1998).

    Args:
        confidence: in (0, 1).
    """
    low, high = _beta_interval(size.share, size.corrected(confidence), confidence)
    return Interval(low, high, confidence, "Clopper-Pearson, Korn-Graubard effective size")


def upper_limit(share: float, n: float, confidence: float) -> float:
    """The one-sided limit of the long-run share: the upper end of Clopper and Pearson.

    Args:
        share: of the sample, in [0, 1].
        n: the effective size after the one-sided t correction, above 0.
        confidence: that the long-run share is not above the limit, in [0.5, 1).
    """
    return _beta_interval(share, n, 2 * confidence - 1)[1]


def next_requests_interval(
    size: EffectiveSize, requests: int, confidence: float = 0.95
) -> Interval:
    """The share of the next `requests` requests that goes to the strong model.

    What is not known of the long-run share, as in `long_run_interval`; on top of it what the days
    on which these requests come add (`DayVariation.variance_of_next`), and the chance of these
    very requests: the outer quantiles of beta-binomials with the effective size that both
    variances leave, and with `requests` divided by the design effect of the units.

    Args:
        requests: N, at least 1.
        confidence: in (0, 1).
    """
    variation = size.variation
    added = 0.0 if variation is None else variation.variance_of_next(requests)
    return _next_interval(size, requests, added, confidence)


def interval_on_days(
    size: EffectiveSize,
    requests: int,
    day_weight: Floats,
    weekdays: Integers,
    confidence: float = 0.95,
) -> Interval:
    """The same for requests whose days are known.

    Args:
        requests: N, at least 1.
        day_weight: how many of them, or their weight, come on each day, float64[days].
        weekdays: of each day, from 0, which is Thursday, int64[days].
        confidence: in (0, 1).
    """
    variation = size.variation
    added = 0.0 if variation is None else variation.variance_of_days(day_weight, weekdays)
    return _next_interval(size, requests, added, confidence)


def _next_interval(
    size: EffectiveSize, requests: int, added_variance: float, confidence: float
) -> Interval:
    n = size.corrected_with(added_variance, confidence)
    k = size.share * n
    per_request = size.corrected_of_units(confidence) / size.requests
    # Rounded down, so never too narrow; the millionth keeps 2 from becoming 1.999... and then 1.
    independent = int(min(MOST_REQUESTS, max(1.0, requests * per_request + 1e-6)))
    tail = (1 - confidence) / 2
    low = 0.0 if size.share == 0.0 else _beta_binomial_quantile(tail, independent, k, n - k + 1)
    high = (
        1.0 if size.share == 1.0 else _beta_binomial_quantile(1 - tail, independent, k + 1, n - k)
    )
    return Interval(low, high, confidence, "beta-binomial, units and days")


def requests_for_half_width(
    size: EffectiveSize, half_width: float, confidence: float = 0.95
) -> int:
    """The requests that a sample of this traffic needs for a long-run interval this narrow.

    Taken for granted: the same share, and dependence and weights as in this sample; where days
    decide, as many requests a day, so more requests are more days.

    Args:
        half_width: half of high - low, above 0; 0.01 is one point.
        confidence: in (0, 1).
    """

    def is_enough(requests: int) -> bool:
        n = size.corrected_at(requests, confidence)
        low, high = _beta_interval(size.share, n, confidence)
        return high - low <= 2 * half_width

    enough = 2
    while not is_enough(enough):
        enough *= 2
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        too_few, enough = (too_few, middle) if is_enough(middle) else (middle, enough)
    return enough


def _beta_interval(share: float, n: float, confidence: float) -> tuple[float, float]:
    from scipy.special import betaincinv

    k, tail = share * n, (1 - confidence) / 2
    low = 0.0 if share == 0.0 else float(betaincinv(k, n - k + 1, tail))
    high = 1.0 if share == 1.0 else float(betaincinv(k + 1, n - k, 1 - tail))
    return low, high


def _beta_binomial_quantile(level: float, n: int, a: float, b: float) -> float:
    """The smallest share of n at which the beta-binomial's distribution reaches `level`."""
    from scipy.special import betaln, gammaln

    x = np.arange(n + 1, dtype=np.float64)
    choose = gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1)
    mass = np.exp(choose + betaln(x + a, n - x + b) - betaln(a, b))
    reached = np.cumsum(mass)
    return float(np.searchsorted(reached, level * reached[-1])) / n
