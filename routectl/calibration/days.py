"""Calendar days: which requests came on which day, and how a share varies from day to day.

A day is a calendar day in UTC, everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from routectl.calibration.arrays import Floats, Integers
from routectl.calibration.clusters import Clusters, Ids, Variance, sums, variance_by

SECONDS_A_DAY = 86400
DAYS_A_WEEK = 7

FEWEST_DAYS = 5
"""Below this many days their variance says nothing, and the intervals are of these days only."""

WEEKDAYS_FROM = 14
"""From this many days on, a day is compared with its own weekday's share."""

WEEKS_FROM = 4
"""From this many whole weeks on, weeks can be compared."""

_LAST_TIME = 1e12
"""Seconds since 1970 beyond which, either way, a number is no time."""


@dataclass(frozen=True, slots=True, eq=False)
class CalendarDays:
    """The days of n requests."""

    numbers: Integers
    """Shape (days,), ascending: days since 1970-01-01 on which there is a request."""
    of_request: Ids
    """Shape (n,): index into `numbers`, -1 where the time is unknown."""

    @classmethod
    def of(cls, times: Floats) -> CalendarDays:
        """
        Args:
            times: seconds since 1970 in UTC, NaN where unknown, float64[n].
        """
        with np.errstate(invalid="ignore"):
            is_timed = np.abs(times) < _LAST_TIME
        all_timed = bool(is_timed.all())
        days = np.floor((times if all_timed else times[is_timed]) / SECONDS_A_DAY)
        of_request = np.full(len(times), -1, dtype=np.intp)
        if not len(days):
            return cls(np.empty(0, dtype=np.int64), of_request)
        first = int(days.min())
        after_first = (days - first).astype(np.int64)
        if int(after_first.max()) > 16 * len(days):
            present, index = np.unique(after_first, return_inverse=True)
        else:
            is_present = np.bincount(after_first) > 0
            present = np.flatnonzero(is_present)
            index = (np.cumsum(is_present) - 1)[after_first]
        if all_timed:
            of_request = index
        else:
            of_request[is_timed] = index
        return cls(present + first, of_request)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def span(self) -> int:
        """Days from the first to the last, both included; 0 where there is none."""
        return int(self.numbers[-1] - self.numbers[0]) + 1 if len(self) else 0

    @property
    def whole_weeks(self) -> int:
        return self.span // DAYS_A_WEEK

    @property
    def weekdays(self) -> Integers:
        """Shape (days,): from 0, which is Thursday, to 6."""
        return self.numbers % DAYS_A_WEEK


@dataclass(frozen=True, slots=True, eq=False)
class DayVariation:
    """How the share of a cut varies from day to day."""

    variance: float
    """V_day, of the share by days."""
    degrees_of_freedom: float
    between: float
    """s_day^2: the variance of a day's own share, without the chance of its requests; set by
    the sample's variance within days."""
    lag_1_correlation: float | None
    """Of a day and the next, after the weekdays are taken out; None below 14 days, or where no
    day follows another."""
    by_weeks: Variance | None
    """The variance by weeks, where there are 4 whole ones and one day is like the next."""
    requests_a_day: Floats
    """float64[7]: requests of a day of each weekday, from Thursday, in the unit of the weights."""
    weekday_offsets: Floats
    """float64[7]: each weekday's share less the share of all; 0 below 14 days."""

    def variance_of_next(self, requests: int) -> float:
        """What the days of the next requests add to the variance of their share.

        The next requests fill days of the usual size, one after the other, from a weekday that
        is not known: f_d is a day's part of them.
        s_day^2 sum f_d^2 + (sum f_d * the weekday's offset)^2, the mean over the seven first days.

        Args:
            requests: at least 1.
        """
        week = float(self.requests_a_day.sum())
        weeks, rest = divmod(float(requests), week)
        squares = offsets = 0.0
        for first in range(DAYS_A_WEEK):
            order = (first + np.arange(DAYS_A_WEEK)) % DAYS_A_WEEK
            sizes = self.requests_a_day[order]
            before = np.concatenate(([0.0], np.cumsum(sizes)[:-1]))
            parts = np.clip(rest - before, 0.0, sizes)
            squares += weeks * float(sizes @ sizes) + float(parts @ parts)
            offset = (weeks * sizes + parts) @ self.weekday_offsets[order]
            offsets += float(offset) ** 2
        return (self.between * squares + offsets) / DAYS_A_WEEK / requests**2

    def variance_of_days(self, weight: Floats, weekdays: Integers) -> float:
        """The same for days that are known.

        Args:
            weight: of each day, float64[days].
            weekdays: of each day, from 0, which is Thursday.
        """
        parts = weight / weight.sum()
        offset = float(parts @ self.weekday_offsets[weekdays])
        return self.between * float(parts @ parts) + offset**2


def day_variation(
    days: CalendarDays, clusters: Clusters, strong_weight: Floats, *, unit: float
) -> tuple[DayVariation, float] | None:
    """How the share varies between days, but for `between`, which is 0 here.

    Args:
        clusters: the days of the requests that have one.
        strong_weight: the weight of each day's strong requests, float64[days].
        unit: requests of the population that a weight of 1 stands for.

    Returns:
        None below 5 days, or where the share of the requests that have a day is 0 or 1. Also the
        factor that turns what V_day exceeds the variance within days by into `between`.
    """
    total = float(clusters.weight.sum())
    share = float(strong_weight.sum()) / total
    if len(days) < FEWEST_DAYS or not 0.0 < share < 1.0:
        return None
    spread = share * (1 - share)
    weekdays = days.weekdays
    by_weekday = len(days) >= WEEKDAYS_FROM
    weekday_weight = sums(weekdays, DAYS_A_WEEK, clusters.weight)
    if by_weekday:
        weekday_strong = sums(weekdays, DAYS_A_WEEK, strong_weight)
        has_weekday = weekday_weight > 0
        shares = np.full(DAYS_A_WEEK, share)
        shares[has_weekday] = weekday_strong[has_weekday] / weekday_weight[has_weekday]
        # All calendar days of the span count, those without a request too.
        calendar = (days.numbers[0] + np.arange(min(days.span, 100_000))) % DAYS_A_WEEK
        requests_a_day = weekday_weight / np.bincount(calendar, minlength=DAYS_A_WEEK)
        residuals = strong_weight - shares[weekdays] * clusters.weight
    else:
        shares = np.full(DAYS_A_WEEK, share)
        requests_a_day = np.full(DAYS_A_WEEK, total / days.span)
        residuals = strong_weight - share * clusters.weight
    by_days = variance_by(
        residuals, clusters.weight, clusters.squares, spread, weekdays if by_weekday else None
    )
    lag_1 = _lag_1(days, residuals / np.sqrt(by_days.model)) if by_weekday else None
    variation = DayVariation(
        variance=by_days.value,
        degrees_of_freedom=by_days.degrees_of_freedom,
        between=0.0,
        lag_1_correlation=lag_1,
        by_weeks=_by_weeks(days, clusters, residuals, spread) if by_weekday else None,
        requests_a_day=requests_a_day * unit,
        weekday_offsets=shares - share,
    )
    return variation, total**2 / float(clusters.weight @ clusters.weight)


def is_alike(lag_1_correlation: float | None, days: int) -> bool:
    """Whether one day is like the next: the correlation exceeds its standard error."""
    return lag_1_correlation is not None and lag_1_correlation > 1 / math.sqrt(days)


def _lag_1(days: CalendarDays, residuals: Floats) -> float | None:
    follows = np.diff(days.numbers) == 1
    squares = float(residuals @ residuals)
    if not follows.any() or squares == 0.0:
        return None
    return float((residuals[1:] * residuals[:-1])[follows].sum()) / squares


def _by_weeks(
    days: CalendarDays, clusters: Clusters, residuals: Floats, spread: float
) -> Variance | None:
    """By blocks of seven days from the first one; days after the last whole block belong to it."""
    if days.whole_weeks < WEEKS_FROM:
        return None
    week = np.minimum((days.numbers - days.numbers[0]) // DAYS_A_WEEK, days.whole_weeks - 1)
    present, index = np.unique(week, return_inverse=True)
    count = len(present)
    if count < WEEKS_FROM:
        return None
    return variance_by(
        sums(index, count, residuals),
        sums(index, count, clusters.weight),
        sums(index, count, clusters.squares),
        spread,
    )
