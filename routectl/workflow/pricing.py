"""The cost of a calibration's requests, at the prices of its router's models."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from routectl.errors import UsageError
from routectl.prices import CURRENCY, ModelPrice, prices_of_pair, prices_within
from routectl.store.scores import ScoredRequests

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from routectl.calibration import Spending
    from routectl.records import ModelPair
    from routectl.workflow.reporter import Reporter


@dataclass(frozen=True, slots=True)
class Costs:
    """The cost of a calibration's requests."""

    strong: ModelPrice
    weak: ModelPrice
    spending: Spending

    def to_json(self) -> dict[str, object]:
        """As plain JSON values; prices are per million tokens."""
        per_1000 = asdict(self.spending)
        per_1000["known"] = per_1000.pop("known_share")
        return {
            "currency": CURRENCY,
            "prices": {"strong": self.strong.to_json(), "weak": self.weak.to_json()},
            "per_1000_requests": per_1000,
        }


@dataclass(frozen=True, slots=True)
class PricedRequests:
    """What each request would cost with either model. n requests."""

    strong: ModelPrice
    weak: ModelPrice
    strong_cost: NDArray[np.float64]
    """Shape (n,), US dollars, NaN where the tokens are unknown."""
    weak_cost: NDArray[np.float64]


def priced_requests(
    pair: ModelPair | None,
    rows: ScoredRequests,
    own: Mapping[str, ModelPrice],
    reporter: Reporter,
) -> PricedRequests | None:
    """The cost of each request if it is answered, in as many tokens, by either model.

    Args:
        own: prices that go before the list's.

    Returns:
        None where there is no pair, or no tokens or no price is known. It says so only to those
        who gave a price for one of the two, or want to see each step.
    """
    import numpy as np

    if pair is None or rows.tokens_out is None or not np.isfinite(rows.tokens_out).any():
        return None
    try:
        strong, weak = prices_of_pair(pair, own)
    except UsageError as error:
        say = reporter.note if prices_within(own, (pair.strong, pair.weak)) else reporter.detail
        say(f"no cost per 1,000 requests, because {error}")
        return None
    tokens_in = rows.tokens - rows.tokens_out
    return PricedRequests(
        strong=strong,
        weak=weak,
        strong_cost=strong.costs(tokens_in, rows.tokens_out),
        weak_cost=weak.costs(tokens_in, rows.tokens_out),
    )
