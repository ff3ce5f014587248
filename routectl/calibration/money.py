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
    WEEKDAYS_FROM,
    WEEKS_FROM,
    is_alike,
)
from routectl.calibration.effective_size import Dependence
from routectl.calibration.intervals import Interval
from routectl.calibration.month import MONTH_DAYS, TrafficMonth

_METHOD = "t, by units and days"


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
