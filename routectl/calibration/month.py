"""How the requests of a log stand for a month: what scales every amount of 30 days."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from routectl.calibration.arrays import Booleans, Floats, Integers
from routectl.calibration.clusters import sums
from routectl.calibration.days import DAYS_A_WEEK, SECONDS_A_DAY, CalendarDays

MONTH_DAYS = 30
"""What a month's figures are for."""

_LEAST_OF_A_WEEKDAY = 0.5
"""Of a day: as long as that each weekday must have been seen for a rate of its own."""

_LONGEST_SPAN = 100_000
"""Days between two requests of one traffic, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class TrafficMonth:
    """How n requests stand for 30 days of such traffic: what all of a month's figures go by.

    Where each of the seven weekdays was seen, a day's rate is the mean of its own weekday; else it
    is the mean of all days. Of the first day and of the last one only the part counts that the
    requests cover.
    """

    calendar: CalendarDays
    covered: Floats
    """Shape (days,), the part of each calendar day from the first to the last that was seen, from
    0 to 1; days without a request are there, too."""
    by_weekday: bool
    per_request: Floats
    """Shape (n,): requests of a month that each one stands for; 0 where it has no time."""

    @classmethod
    def of(cls, times: Floats, weights: Floats) -> TrafficMonth | str:
        """
        Args:
            times: seconds since 1970 in UTC, NaN where unknown, float64[n].
            weights: requests of the population that each one stands for, float64[n].

        Returns:
            Or why these times tell no month.
        """
        calendar = CalendarDays.of(times)
        if not len(calendar):
            return "the log has no times"
        if calendar.span > _LONGEST_SPAN:
            return "the times of the log lie centuries apart"
        has_day = calendar.of_request >= 0
        has_a_week = calendar.span >= DAYS_A_WEEK
        covered = np.ones(calendar.span)
        ends = _covered_ends(
            times if has_day.all() else times[has_day],
            weights if has_day.all() else weights[has_day],
            usual=has_a_week,
        )
        if calendar.span == 1:
            covered[0] = ends[0] + ends[1] - 1
        else:
            covered[[0, -1]] = ends
        if covered.sum() < 1:
            return "the log spans less than a day"
        seen = sums(_weekdays(calendar), DAYS_A_WEEK, covered)
        by_weekday = has_a_week and float(seen.min()) >= _LEAST_OF_A_WEEKDAY
        month = cls(calendar, covered, by_weekday, weights)
        per_day = month.days_a_covered_day
        day = calendar.numbers[calendar.of_request] - calendar.numbers[0]
        per_request = np.where(has_day, weights * per_day[np.where(has_day, day, 0)], 0.0)
        return cls(calendar, covered, by_weekday, per_request)

    @property
    def strata(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Shape (days,): days of one number have one rate."""
        if not self.by_weekday:
            return np.zeros(len(self.covered), dtype=np.int64)
        return _weekdays(self.calendar)

    @property
    def days_a_covered_day(self) -> Floats:
        """Shape (days,): days of a month that each whole day stands for."""
        strata = self.strata
        count = DAYS_A_WEEK if self.by_weekday else 1
        days: Floats = MONTH_DAYS / count / sums(strata, count, self.covered)[strata]
        return days

    @property
    def requests(self) -> float:
        """Of a month."""
        return float(self.per_request.sum())

    @property
    def days_seen(self) -> float:
        """From the first request to the last one."""
        return float(self.covered.sum())

    @property
    def empty_days(self) -> int:
        """Calendar days without a request between the first and the last."""
        return len(self.covered) - len(self.calendar)

    def shares(self, amounts: Floats) -> Floats:
        """What each request adds to a month's amount, float64[n].

        Requests of unknown amount count as the mean of the others.

        Args:
            amounts: of each request, NaN where unknown, float64[n]; known of one with a time.
        """
        return _filled(amounts, self.per_request)

    def amount(self, amounts: Floats, rows: Booleans) -> float | None:
        """What some of the requests come to in 30 days, in the unit of `amounts`: US dollars, say.

        Args:
            amounts: of each request, NaN where unknown, float64[n].
            rows: the requests that count, bool[n]; those of unknown amount as the mean of the rest.

        Returns:
            None where none of them has a time and a known amount.
        """
        counted = np.where(rows, self.per_request, 0.0)
        if not counted[np.isfinite(amounts)].any():
            return None
        return float(_filled(amounts, counted).sum())

    def to_json(self) -> dict[str, float | bool]:
        """How it was scaled, as plain JSON values, by the names that `Month` has for them."""
        return {
            "days": MONTH_DAYS,
            "days_seen": self.days_seen,
            "requests": self.requests,
            "empty_days": self.empty_days,
            "by_weekday": self.by_weekday,
        }


def _weekdays(calendar: CalendarDays) -> Integers:
    """Of each day from the first to the last, from 0, which is Thursday: int64[span]."""
    days: Integers = int(calendar.numbers[0]) + np.arange(calendar.span, dtype=np.int64)
    return days % DAYS_A_WEEK


def _filled(amounts: Floats, per_request: Floats) -> Floats:
    """Amounts times how often each counts; an unknown one is the mean of those that are known."""
    is_known = np.isfinite(amounts)
    if is_known.all():
        return amounts * per_request
    counted = np.where(is_known, per_request, 0.0)
    scale = float(per_request.sum()) / float(counted.sum())
    shares: Floats = np.where(is_known, amounts, 0.0) * counted * scale
    return shares


def _covered_ends(times: Floats, weights: Floats, *, usual: bool) -> tuple[float, float]:
    """The parts of the first and the last calendar day that the requests cover.

    Args:
        usual: measured by the share of the other days' requests that come after the time of day of
            the first request (before that of the last one), so that a day of office hours is a
            whole one; else, and where no day lies between, by the clock.
    """
    days = np.floor(times / SECONDS_A_DAY)
    first, last = float(times.min()), float(times.max())
    begins, ends = (
        time - math.floor(time / SECONDS_A_DAY) * SECONDS_A_DAY for time in (first, last)
    )
    between = (days > days.min()) & (days < days.max())
    if not usual or not between.any():
        return 1 - begins / SECONDS_A_DAY, ends / SECONDS_A_DAY
    clock = (times[between] - days[between] * SECONDS_A_DAY) + 0.0
    weight = weights[between]
    total = float(weight.sum())
    return float(weight[clock >= begins].sum()) / total, float(weight[clock <= ends].sum()) / total
