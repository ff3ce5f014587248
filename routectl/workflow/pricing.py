"""The cost of a calibration's requests, at the prices of its router's models."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from routectl.errors import UsageError
from routectl.prices import CURRENCY, ModelPrice, prices_of_pair, prices_within
from routectl.store.scores import ScoredRequests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from routectl.calibration.spending import Spending
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
        return {
            "currency": CURRENCY,
            "prices": {"strong": self.strong.to_json(), "weak": self.weak.to_json()},
            "per_1000_requests": asdict(self.spending),
        }


def costs_of(
    pair: ModelPair | None,
    rows: ScoredRequests,
    threshold: str,
    own: Mapping[str, ModelPrice],
    reporter: Reporter,
) -> Costs | None:
    """The cost of the requests if each is answered, in as many tokens, by its model.

    Args:
        own: prices that go before the list's.

    Returns:
        None where there is no pair, or no tokens or no price is known. It says so only to those
        who gave a price for one of the two, or want to see each step.
    """
    import numpy as np

    from routectl.calibration.spending import spending

    if pair is None or rows.tokens_out is None or not np.isfinite(rows.tokens_out).any():
        return None
    try:
        strong, weak = prices_of_pair(pair, own)
    except UsageError as error:
        say = reporter.note if prices_within(own, (pair.strong, pair.weak)) else reporter.detail
        say(f"no cost per 1,000 requests, because {error}")
        return None
    tokens_in = rows.tokens - rows.tokens_out
    spent = spending(
        strong.costs(tokens_in, rows.tokens_out),
        weak.costs(tokens_in, rows.tokens_out),
        rows.weights,
        rows.win_rates >= float(threshold),
    )
    return None if spent is None else Costs(strong, weak, spent)
