"""Whole days, UTC, by their number, and the shares of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from routectl.policy import Policy
from routectl.store.drift_checks import NewLook
from routectl.store.models import DriftCheck
from routectl.store.requests import RequestTable
from routectl.workflow.policies.deciding import UNSCORED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.calibration.drift import DailyShares

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
_EPOCH = date(1970, 1, 1)


def daily_shares(
    rows: RequestTable, model: NDArray[np.int64], policy: Policy, days: range | None = None
) -> DailyShares:
    """The scored requests by day, days without one left out.

    Args:
        model: of each request, as `decided` gives it.
        days: only these; None: all.
    """
    import numpy as np

    from routectl.calibration.drift import DailyShares

    chosen = (model != UNSCORED) & ~np.isnan(rows.time)
    numbers = np.floor(rows.time[chosen] / 86_400).astype(np.int64)
    weight, is_strong = rows.weight[chosen], model[chosen] == len(policy.models) - 1
    if days is not None:
        within = (numbers >= days.start) & (numbers < days.stop)
        numbers, weight, is_strong = numbers[within], weight[within], is_strong[within]
    present, index = np.unique(numbers, return_inverse=True)
    count = len(present)
    return DailyShares(
        present,
        np.bincount(index, weight, minlength=count).astype(np.float64),
        np.bincount(index, weight * is_strong, minlength=count).astype(np.float64),
    )


def looked_at(stored: Sequence[DriftCheck | NewLook]) -> DailyShares:
    """The days of looks at the traffic."""
    import numpy as np

    from routectl.calibration.drift import DailyShares

    requests = np.array([row.requests for row in stored], dtype=np.float64)
    shares = np.array([row.share or 0.0 for row in stored], dtype=np.float64)
    numbers = np.array([day_number(row.day) for row in stored], dtype=np.int64)
    return DailyShares(numbers, requests, requests * shares)


def after(first: DailyShares, then: DailyShares) -> DailyShares:
    """Days, and those that follow them."""
    import numpy as np

    from routectl.calibration.drift import DailyShares

    return DailyShares(
        np.concatenate((first.numbers, then.numbers)),
        np.concatenate((first.requests, then.requests)),
        np.concatenate((first.strong, then.strong)),
    )


def midnight(time: datetime) -> datetime:
    """The beginning of a time's day, UTC."""
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def number_of(time: datetime) -> int:
    """Days since 1970-01-01."""
    return (time.astimezone(UTC).date() - _EPOCH).days


def day_number(day: str) -> int:
    """Days since 1970-01-01 of a day such as 2026-11-29."""
    return (date.fromisoformat(day) - _EPOCH).days


def day_text(number: int) -> str:
    """The day of a number."""
    return (_EPOCH + timedelta(days=number)).isoformat()
