"""The cost of a calibration's requests, at the prices of its route's models."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from routectl.errors import InputError
from routectl.prices import CURRENCY, ModelPrice
from routectl.store.scores import ScoredRequests
from routectl.workflow.routing import declared_prices

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from routectl.calibration import Spending
    from routectl.workflow.reporter import Reporter
    from routectl.workflow.routing import RouteInUse

MONTH_DAYS = 30
"""What a month's figures are for."""

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Month:
    """What a month costs at the rate of the population's requests, US dollars."""

    days: float
    """Between its first request and its last one."""
    requests: float
    """In 30 days at that rate."""
    always_strong: float
    this_threshold: float

    @property
    def saved(self) -> float:
        """Against always-strong; below 0 where the strong model is the cheaper one."""
        return self.always_strong - self.this_threshold

    @property
    def saved_share(self) -> float | None:
        """Of always-strong; None where that costs nothing."""
        return self.saved / self.always_strong if self.always_strong else None

    def to_json(self) -> dict[str, object]:
        """As plain JSON values."""
        return {
            "days": MONTH_DAYS,
            "days_seen": self.days,
            "requests": self.requests,
            "always_strong": self.always_strong,
            "this_threshold": self.this_threshold,
            "saved": self.saved,
            "saved_share": self.saved_share,
        }


@dataclass(frozen=True, slots=True)
class Costs:
    """The cost of a calibration's requests."""

    strong: ModelPrice
    weak: ModelPrice
    spending: Spending
    month: Month | str
    """Why there is none, where the log is too short to tell."""

    def to_json(self) -> dict[str, object]:
        """As plain JSON values; prices are per million tokens."""
        per_1000 = asdict(self.spending)
        per_1000["known"] = per_1000.pop("known_share")
        month = self.month
        return {
            "currency": CURRENCY,
            "prices": {"strong": self.strong.to_json(), "weak": self.weak.to_json()},
            "per_1000_requests": per_1000,
            "month": None if isinstance(month, str) else month.to_json(),
            "no_month": month if isinstance(month, str) else None,
        }


@dataclass(frozen=True, slots=True)
class PricedRequests:
    """What each request would cost with either model. n requests."""

    strong: ModelPrice
    weak: ModelPrice
    strong_cost: NDArray[np.float64]
    """Shape (n,), US dollars, NaN where the tokens are unknown."""
    weak_cost: NDArray[np.float64]


def route_prices(
    route: RouteInUse, given: Mapping[str, ModelPrice], reporter: Reporter
) -> tuple[ModelPrice, ModelPrice] | None:
    """What the strongest and the weakest model of a route cost.

    Args:
        given: prices that go before the route's own and the list's.

    Returns:
        None where it declares no models; or, with a note, where a price is no longer on the list.
    """
    if route.pair is None:
        return None
    try:
        prices = declared_prices(route.declared, route.prices(given))
    except InputError as error:
        reporter.note(f"there are no US dollars, because {error}")
        return None
    return prices[0], prices[-1]


def priced_requests(
    prices: tuple[ModelPrice, ModelPrice] | None, rows: ScoredRequests
) -> PricedRequests | None:
    """The cost of each request if it is answered, in as many tokens, by either model.

    Args:
        prices: of the strong model and of the weak one.

    Returns:
        None where there are no prices, or no tokens are known.
    """
    import numpy as np

    if prices is None or rows.tokens_out is None or not np.isfinite(rows.tokens_out).any():
        return None
    strong, weak = prices
    tokens_in = rows.tokens - rows.tokens_out
    return PricedRequests(
        strong=strong,
        weak=weak,
        strong_cost=strong.costs(tokens_in, rows.tokens_out),
        weak_cost=weak.costs(tokens_in, rows.tokens_out),
    )


def month_of(rows: ScoredRequests, spending: Spending) -> Month | str:
    """A month of this traffic, or why the log does not tell.

    A request that has no time is in no month. Each counts for as many as it stands for.
    """
    import numpy as np

    has_time = np.isfinite(rows.times)
    times = rows.times[has_time]
    if not len(times):
        return "the log has no times"
    days = float(times.max() - times.min()) / _DAY
    if days < 1:
        return "the log spans less than a day"
    requests = float(rows.weights[has_time].sum()) / days * MONTH_DAYS
    return Month(
        days=days,
        requests=requests,
        always_strong=spending.always_strong / 1000 * requests,
        this_threshold=spending.this_threshold / 1000 * requests,
    )
