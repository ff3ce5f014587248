"""What a month of a sample's traffic costs, and how sure that is.

An amount of a month is a sum over days, so what varies from day to day is the day's whole amount:
how many requests it has, which ones, and how long they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from routectl.calibration.arrays import Booleans, Floats, Integers
from routectl.calibration.clusters import Clusters, Variance, sums, variance_by
from routectl.calibration.cut_table import CutTable
from routectl.calibration.days import (
    DAYS_A_WEEK,
    FEWEST_DAYS,
    SECONDS_A_DAY,
    WEEKDAYS_FROM,
    WEEKS_FROM,
    CalendarDays,
    is_alike,
)
from routectl.calibration.effective_size import Dependence
from routectl.calibration.intervals import Interval

MONTH_DAYS = 30
"""What a month's figures are for."""

_LEAST_OF_A_WEEKDAY = 0.5
"""Of a day: as long as that each weekday must have been seen for a rate of its own."""

_LONGEST_SPAN = 100_000
"""Days between two requests of one traffic, at most."""

_METHOD = "t, by units and days"


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


@dataclass(frozen=True, slots=True)
class Month:
    """What a month costs at the rate of the population's requests, US dollars."""

    days: float
    """Between its first request and its last one."""
    requests: float
    """In 30 days at that rate."""
    always_strong: float
    this_threshold: float
    # An older record has none of the following.
    always_weak: float | None = None
    empty_days: int | None = None
    """Calendar days without a request among them."""
    by_weekday: bool | None = None
    """Each weekday has a rate of its own."""
    cost_interval: Interval | None = None
    """For the mean of all months of such traffic at this threshold."""
    saving_interval: Interval | None = None
    """The same for what it costs less than always-strong."""
    next_cost_interval: Interval | None = None
    """For one month; None below 5 days, which say nothing of others."""
    next_saving_interval: Interval | None = None

    @classmethod
    def of_table(cls, month: TrafficMonth, table: CutTable, index: int) -> Month | None:
        """That of a cut, by look-ups and so without intervals; None where the table has no money.

        Args:
            table: of the sample that the month is of.
        """
        cost, weak = table.month, table.month_weak
        if cost is None or weak is None:
            return None
        return cls(
            days=month.days_seen,
            requests=month.requests,
            always_strong=float(cost[-1]),
            this_threshold=float(cost[index]),
            always_weak=weak.total,
            empty_days=month.empty_days,
            by_weekday=month.by_weekday,
        )

    @property
    def saved(self) -> float:
        """Against always-strong; below 0 where the strong model is the cheaper one."""
        return self.always_strong - self.this_threshold

    @property
    def saved_share(self) -> float | None:
        """Of always-strong; None where that costs nothing."""
        return self.saved / self.always_strong if self.always_strong else None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        value = asdict(self)
        days_seen = value.pop("days")
        return {
            "days": MONTH_DAYS,
            "days_seen": days_seen,
            **value,
            "saved": self.saved,
            "saved_share": self.saved_share,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Month:
        """What `to_json` wrote, now or before there were intervals."""
        names = {field.name for field in fields(cls)}
        values = {name: value for name, value in stored.items() if name in names}
        values |= {
            name: Interval(**value) for name, value in values.items() if isinstance(value, dict)
        }
        return cls(**(values | {"days": stored["days_seen"]}))


def month_of_cut(
    month: TrafficMonth,
    dependence: Dependence,
    is_strong: Booleans,
    strong_cost: Floats,
    weak_cost: Floats,
    confidence: float,
) -> Month:
    """A month in which each request goes where a threshold sends it.

    Args:
        dependence: of the month's sample.
        is_strong: which requests go to the strong model, bool[n].
        strong_cost, weak_cost: US dollars of each request with either model, NaN where unknown,
            float64[n]; known of one with a time.
        confidence: of all intervals, in (0, 1).
    """
    cost = monthly_amount(
        month, dependence, np.where(is_strong, strong_cost, weak_cost), confidence
    )
    spared = np.where(is_strong, 0.0, strong_cost - weak_cost)
    spared[np.isnan(strong_cost)] = np.nan
    saving = monthly_amount(month, dependence, spared, confidence)
    return Month(
        days=month.days_seen,
        requests=month.requests,
        always_strong=float(month.shares(strong_cost).sum()),
        this_threshold=cost.value,
        always_weak=float(month.shares(weak_cost).sum()),
        empty_days=month.empty_days,
        by_weekday=month.by_weekday,
        cost_interval=_from_0(cost.long_run),
        saving_interval=saving.long_run,
        next_cost_interval=None if cost.next_month is None else _from_0(cost.next_month),
        next_saving_interval=saving.next_month,
    )


def changes_model(
    is_strong: Booleans, weights: Floats, conversations: Integers, times: Floats
) -> float | None:
    """The share of the requests whose conversation's request before went to the other model.

    Args:
        is_strong: which requests go to the strong model, bool[n].
        conversations: -1 where unknown, int64[n].
        times: NaN where unknown, float64[n].

    Returns:
        None where no conversation has a time.
    """
    in_one = np.flatnonzero((conversations >= 0) & np.isfinite(times))
    if not len(in_one):
        return None
    ordered = in_one[np.lexsort((times[in_one], conversations[in_one]))]
    follows = conversations[ordered][1:] == conversations[ordered][:-1]
    other = is_strong[ordered][1:] != is_strong[ordered][:-1]
    changed = ordered[1:][follows & other]
    return float(weights[changed].sum()) / float(weights.sum())


@dataclass(frozen=True, slots=True)
class MonthlyAmount:
    """An amount of a month, with two different statements of how sure it is."""

    value: float
    """In 30 days, in the unit of the amounts."""
    long_run: Interval
    """The mean of all months of such traffic."""
    next_month: Interval | None
    """One month of it; None below 5 days, which say nothing of others."""


def monthly_amount(
    month: TrafficMonth, dependence: Dependence, amounts: Floats, confidence: float
) -> MonthlyAmount:
    """The amount of a month of such traffic.

    V = V_day + V_unit - V_unit&day, as for a share (`Dependence.size`), but of totals. V_day is of
    the days' amounts less the mean of all days, from 14 days on less their weekday's, with Bell and
    McCaffrey's correction; where one day is like the next and there are 4 whole weeks, that of
    weeks if it is larger. Units come by chance (a Poisson process), so V_unit is the sum of their
    squared amounts; what the units within days have of it, the days hold already. Below 5 days V is
    V_unit, and the interval is of these days. Of both ways to tell units, the wider interval.

    Args:
        dependence: of the month's sample.
        amounts: of each request, NaN where unknown, float64[n]. Some are known.
        confidence: in (0, 1).
    """
    from scipy.special import stdtrit

    shares = month.shares(amounts)
    by_day = _by_day(month, shares)
    timed = shares if dependence.is_timed is None else shares[dependence.is_timed]
    half_width, variance = 0.0, 0.0
    for units in dependence.units:
        v, df = _of_totals(units.clusters, shares)
        if by_day is not None:
            over_days = 0.0
            if units.within_days is not None:
                over_days = max(0.0, v - _of_totals(units.within_days, timed)[0])
            if over_days < by_day.value:
                df = by_day.degrees_of_freedom
            v = by_day.value + over_days
        half = -float(stdtrit(df, (1 - confidence) / 2)) * math.sqrt(v)
        if half >= half_width:
            half_width, variance = half, v
    value = float(shares.sum())
    next_month = None
    if by_day is not None and variance > 0:
        # A month is a sample of 30 days, as this is one of `days_seen`.
        wider = half_width * math.sqrt(1 + month.days_seen / MONTH_DAYS)
        next_month = _around(value, wider, confidence)
    elif by_day is not None:
        next_month = _around(value, 0.0, confidence)
    return MonthlyAmount(value, _around(value, half_width, confidence), next_month)


def _around(value: float, half_width: float, confidence: float) -> Interval:
    return Interval(value - half_width, value + half_width, confidence, _METHOD)


def _from_0(interval: Interval) -> Interval:
    """Of an amount that is never below 0."""
    return replace(interval, low=max(0.0, interval.low))


def _of_totals(clusters: Clusters, shares: Floats) -> tuple[float, float]:
    """The variance of the sum of clusters that come by chance, and its degrees of freedom.

    The sum of squares of a compound Poisson process is an unbiased estimate of the variance of its
    sum, and that of fourth powers of the estimate's own.
    """
    totals = shares if len(clusters) == len(shares) else sums(clusters.ids, len(clusters), shares)
    squares = totals**2
    variance, fourth = float(squares.sum()), float(squares @ squares)
    return variance, max(1.0, 2 * variance**2 / fourth) if fourth > 0 else 1.0


def _by_day(month: TrafficMonth, shares: Floats) -> Variance | None:
    """The variance of a month's amount by days, or by weeks; None below 5 days."""
    calendar, span = month.calendar, len(month.covered)
    if len(calendar) < FEWEST_DAYS:
        return None
    # With one day of a weekday nothing tells the weekday from chance.
    strata, count = np.zeros(span, dtype=np.int64), 1
    if month.by_weekday and len(calendar) >= WEEKDAYS_FROM:
        strata, count = month.strata, DAYS_A_WEEK
    has_day = calendar.of_request >= 0
    of_request = calendar.of_request if has_day.all() else calendar.of_request[has_day]
    amount = np.zeros(span)
    amount[calendar.numbers - calendar.numbers[0]] = sums(
        of_request, len(calendar), shares if has_day.all() else shares[has_day]
    )
    weight = month.covered * month.days_a_covered_day
    # A day's expected amount: its part of the amount of all days with its rate.
    expected = weight * (sums(strata, count, amount) / sums(strata, count, weight))[strata]
    residuals, squares = amount - expected, weight**2
    spread = float(residuals @ residuals) / float(squares.sum())
    if spread == 0.0:
        return Variance(0.0, float(span - count), squares)
    total = float(weight.sum())
    by_days = variance_by(residuals, weight, squares, spread, strata if count > 1 else None)
    whole_weeks = calendar.whole_weeks
    if count > 1 and whole_weeks >= WEEKS_FROM and is_alike(_lag_1(residuals, weight), span):
        week = np.minimum(np.arange(span) // DAYS_A_WEEK, whole_weeks - 1)
        by_weeks = variance_by(
            sums(week, whole_weeks, residuals),
            sums(week, whole_weeks, weight),
            sums(week, whole_weeks, squares),
            spread,
        )
        by_days = replace(by_weeks, value=max(by_weeks.value, by_days.value))
    return replace(by_days, value=by_days.value * total**2)


def _lag_1(residuals: Floats, weight: Floats) -> float:
    relative = np.divide(residuals, weight, out=np.zeros(len(weight)), where=weight > 0)
    return float(relative[1:] @ relative[:-1]) / float(relative @ relative)
