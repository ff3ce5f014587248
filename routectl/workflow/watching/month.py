"""What a route's requests cost this month, as the log booked it, and where that leads."""

from __future__ import annotations

import calendar
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from routectl.errors import UsageError
from routectl.prices import price_of
from routectl.records import Population
from routectl.store.models import Calibration
from routectl.store.recent import Booked, booked_by_day, booked_by_model
from routectl.workflow.routes.in_use import RouteInUse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DAYS_BEFORE = 28
"""Whole days whose booked cost says what a day of each weekday costs."""

FEWEST_DAYS = 7
"""Below, there is no projection: a weekday would be missing."""

_SECONDS = 86_400
_WEEK = 7
_ONE_SIDED_95 = 1.64


@dataclass(frozen=True, slots=True)
class MonthToDate:
    """Of this calendar month, UTC, US dollars."""

    since: datetime
    booked: float
    known_share: float
    """Of the requests whose cost is known."""
    unbooked: tuple[str, ...] = ()
    """Models that were booked at 0 for want of a price: neither sum has them, nor the share."""
    budget: float | None = None
    """That the active calibration was asked for; None without one."""
    projected: float | None = None
    """At the month's end; None without a budget, and of fewer than 7 whole days of requests."""
    projected_low: float | None = None
    """That the month's end is above with 95 %."""

    @property
    def is_over(self) -> bool:
        """The month will cost more than the budget, by more than days differ."""
        low = self.projected_low
        return self.budget is not None and low is not None and low > self.budget


def month_to_date(
    connection: Connection,
    route: RouteInUse,
    population: Population,
    calibration: Calibration | None,
    now: datetime,
) -> MonthToDate | None:
    """What this month's requests cost; None where no cost of one is known.

    Args:
        population: without a window.
        calibration: the active one.
    """
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    this_month = replace(population, since=start, until=now + timedelta(hours=1))
    by_model = booked_by_model(connection, this_month)
    if not any(booked.with_cost for booked in by_model):
        return None
    unbooked = [booked for booked in by_model if _is_unbooked(booked, route)]
    with_cost = math.fsum(booked.with_cost for booked in by_model if booked not in unbooked)
    month = MonthToDate(
        start,
        math.fsum(booked.cost for booked in by_model),
        with_cost / math.fsum(booked.requests for booked in by_model),
        tuple(sorted(str(booked.model) for booked in unbooked)),
    )
    budget = None if calibration is None else calibration.target.get("budget")
    if not isinstance(budget, int | float):
        return month
    return _projected(connection, population, replace(month, budget=float(budget)), now)


def _is_unbooked(booked: Booked, route: RouteInUse) -> bool:
    """Whether a proxy books 0 for want of a price: at the route's price the model costs."""
    if booked.model is None or booked.cost or not booked.answered_for_nothing:
        return False
    try:
        price = price_of(booked.model, None, route.prices({}))
    except UsageError:
        return False
    return price.input > 0 or price.output > 0


def _projected(
    connection: Connection, population: Population, month: MonthToDate, now: datetime
) -> MonthToDate:
    import numpy as np

    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    since = min(month.since, midnight - timedelta(days=DAYS_BEFORE))
    by_day = booked_by_day(connection, replace(population, since=since, until=midnight))
    if not by_day:
        return month
    # Without a log of yesterday the rest of the month begins earlier.
    last, first = max(by_day), max(by_day) - DAYS_BEFORE + 1
    numbers = np.arange(max(first, min(by_day)), last + 1)
    if len(numbers) < FEWEST_DAYS:
        return month
    costs = np.array([by_day.get(int(number), 0.0) for number in numbers])
    start = int(month.since.timestamp()) // _SECONDS
    end = start + calendar.monthrange(month.since.year, month.since.month)[1]
    spent = math.fsum(cost for number, cost in by_day.items() if number >= start)
    rest = np.arange(max(last + 1, start), end)
    expected, error = _rest_of_month(numbers, costs, rest)
    return replace(
        month, projected=spent + expected, projected_low=spent + expected - _ONE_SIDED_95 * error
    )


def _rest_of_month(
    numbers: NDArray[np.int64], costs: NDArray[np.float64], rest: NDArray[np.int64]
) -> tuple[float, float]:
    """What days to come cost, each as its weekday did, and the standard error of that."""
    import numpy as np

    weekdays, count = numbers % _WEEK, len(numbers)
    means = np.bincount(weekdays, costs, minlength=_WEEK) / np.bincount(weekdays, minlength=_WEEK)
    expected = float(means[rest % _WEEK].sum())
    if count < 2 * _WEEK:
        # With one day of each weekday nothing tells weekdays from chance.
        variance = float(costs.var(ddof=1))
    else:
        residuals = costs - means[weekdays]
        variance = float(residuals @ residuals) / (count - _WEEK)
    days = len(rest)
    return expected, math.sqrt(variance * (days + days**2 / count))
