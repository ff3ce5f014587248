"""Would this calibration have held? The sample's own past against its own present."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routectl.calibration.cut_table import Events, cut_table
from routectl.calibration.effective_size import effective_size
from routectl.calibration.intervals import next_requests_interval
from routectl.calibration.sample import ScoredSample
from routectl.calibration.targets import StrongFraction
from routectl.policy import meets, threshold_value

EARLIER = 0.8
"""The threshold is refitted on the earlier four fifths."""

FEWEST_REQUESTS = 50
"""Below this the last fifth has fewer than ten requests, and any share would pass."""


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """The threshold of the earlier four fifths, tried on the last fifth."""

    split_at: float
    """The time of the first request of the last part, in seconds since 1970 in UTC."""
    earlier_requests: int
    later_requests: int
    threshold: str
    """Refitted on the earlier part. What is exported is the threshold of the full sample."""
    later_share: float
    """The strong fraction that it has on the later part."""
    low: float
    """The range that the earlier part gives for a next batch of `later_requests` requests."""
    high: float
    inside: bool


def check_in_time(
    sample: ScoredSample,
    target: StrongFraction,
    *,
    noise: float,
    confidence: float,
) -> SelfCheck | str:
    """Refit on the earlier four fifths and look at the last fifth, or say why that cannot be.

    Requests without a time are left out. Requests of one time are not split.
    """
    timed = np.isfinite(sample.times)
    count = int(np.count_nonzero(timed))
    if count < FEWEST_REQUESTS:
        if not count:
            return "no request has a time"
        return f"only {count:,} requests have a time, and it takes {FEWEST_REQUESTS}"
    times = sample.times[timed]
    boundary = int(EARLIER * count)
    split_at = float(np.partition(times, boundary)[boundary])
    is_earlier = timed & (sample.times < split_at)
    if not is_earlier.any():
        return "most requests have the same, earliest time"
    is_later = timed & (sample.times >= split_at)
    later_count = int(np.count_nonzero(is_later))

    win_rates, weights = sample.win_rates[is_earlier], sample.weights[is_earlier]
    table = cut_table(Events(win_rates, weights), lowest=0.0, highest=1.0)
    refitted = target.cut(table, noise).threshold
    threshold = threshold_value(refitted)
    size = effective_size(
        meets(win_rates, threshold),
        weights,
        sample.prompts[is_earlier],
        sample.conversations[is_earlier],
    )
    expected = next_requests_interval(size, later_count, confidence)
    later_weights = sample.weights[is_later]
    later_strong = meets(sample.win_rates[is_later], threshold)
    later_share = float(later_weights[later_strong].sum() / later_weights.sum())
    return SelfCheck(
        split_at=split_at,
        earlier_requests=count - later_count,
        later_requests=later_count,
        threshold=refitted,
        later_share=later_share,
        low=expected.low,
        high=expected.high,
        inside=expected.low <= later_share <= expected.high,
    )
