"""Would this calibration have held? The sample's own past against its own present."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routectl.calibration.arrays import Floats
from routectl.calibration.clusters import sums
from routectl.calibration.cut_table import Events, cut_table
from routectl.calibration.days import (
    DAYS_A_WEEK,
    FEWEST_DAYS,
    SECONDS_A_DAY,
    WEEKS_FROM,
    CalendarDays,
)
from routectl.calibration.effective_size import Dependence
from routectl.calibration.intervals import interval_on_days
from routectl.calibration.sample import ScoredSample
from routectl.calibration.segments import Fitted, refitted_thresholds
from routectl.calibration.targets import StrongFraction
from routectl.errors import CalibrationError
from routectl.policy import meets, threshold_value

LATER = 0.2
"""The threshold is refitted without the last fifth."""

FEWEST_REQUESTS = 50
"""Below this the last fifth has fewer than ten requests, and any share would pass."""


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """The threshold of the earlier days, tried on the last ones."""

    split_at: float
    """The beginning of the first day of the later part, in seconds since 1970 in UTC."""
    earlier_requests: int
    later_requests: int
    earlier_days: int | None
    later_days: int | None
    """None in a record of before days were looked at."""
    threshold: str
    """Refitted on the earlier part; of segments, the default's. What is exported is the threshold
    of the full sample."""
    later_share: float
    """The strong fraction that it has on the later part."""
    low: float
    """The range that the earlier part gives for so many requests on the later part's days."""
    high: float
    confidence: float
    """Of that range: traffic that does not change fails the check at most in the rest."""
    inside: bool


def check_in_time(
    sample: ScoredSample,
    target: StrongFraction,
    *,
    noise: float,
    confidence: float,
    fitted: Fitted | None = None,
) -> SelfCheck | str:
    """Refit on the earlier days and look at the last ones, or say why that cannot be.

    The later part is the last fifth of the days, from 4 whole weeks on in whole weeks; days are
    never split, because a day has its own mix. Requests without a time are left out.

    Args:
        fitted: the segments that have a threshold of their own, where there are some; each is
            refitted.
    """
    calendar = CalendarDays.of(sample.times)
    if not len(calendar):
        return "no request has a time"
    day_of_request = calendar.of_request
    is_timed = day_of_request >= 0
    count = int(np.count_nonzero(is_timed))
    if count < FEWEST_REQUESTS:
        return f"only {count:,} requests have a time, and it takes {FEWEST_REQUESTS}"
    first_later = _first_later_day(calendar)
    earlier_days = int(np.searchsorted(calendar.numbers, first_later))
    if earlier_days < FEWEST_DAYS:
        days = f"{len(calendar)} day{'s' if len(calendar) > 1 else ''} (UTC)"
        return f"the requests are of {days}, and it takes {FEWEST_DAYS} days before the last fifth"
    is_earlier = is_timed & (day_of_request < earlier_days)
    is_later = is_timed & (day_of_request >= earlier_days)
    earlier_count, later_count = (int(np.count_nonzero(part)) for part in (is_earlier, is_later))

    win_rates, weights = sample.win_rates[is_earlier], sample.weights[is_earlier]
    dependence = Dependence.of(
        weights,
        sample.prompts[is_earlier],
        sample.conversations[is_earlier],
        sample.times[is_earlier],
    )
    earlier_threshold: float | Floats
    later_threshold: float | Floats
    try:
        if fitted is None:
            table = cut_table(Events(win_rates, weights), lowest=0.0, highest=1.0)
            refitted = target.cut(
                table, noise, lambda t: dependence.size(meets(win_rates, t))
            ).threshold
            earlier_threshold = later_threshold = threshold_value(refitted)
        else:
            refitted, earlier_threshold, later_threshold = refitted_thresholds(
                sample.at(is_earlier), fitted, is_earlier, is_later, target, noise=noise
            )
    except CalibrationError:
        return "the earlier days alone cannot meet the target"
    later_weights, later_days = sample.weights[is_later], len(calendar) - earlier_days
    expected = interval_on_days(
        dependence.size(meets(win_rates, earlier_threshold)),
        later_count,
        sums(day_of_request[is_later] - earlier_days, later_days, later_weights),
        calendar.weekdays[earlier_days:],
        confidence,
    )
    later_strong = meets(sample.win_rates[is_later], later_threshold)
    later_share = float(later_weights[later_strong].sum() / later_weights.sum())
    return SelfCheck(
        split_at=float(first_later * SECONDS_A_DAY),
        earlier_requests=earlier_count,
        later_requests=later_count,
        earlier_days=earlier_days,
        later_days=later_days,
        threshold=refitted,
        later_share=later_share,
        low=expected.low,
        high=expected.high,
        confidence=confidence,
        inside=expected.low <= later_share <= expected.high,
    )


def _first_later_day(calendar: CalendarDays) -> int:
    """Days since 1970-01-01. Of the days with a request, the later part has at least one."""
    if calendar.whole_weeks >= WEEKS_FROM:
        weeks = max(1, round(LATER * calendar.span / DAYS_A_WEEK))
        return int(calendar.numbers[-1]) + 1 - DAYS_A_WEEK * weeks
    later = max(1, round(LATER * len(calendar)))
    return int(calendar.numbers[-later])
