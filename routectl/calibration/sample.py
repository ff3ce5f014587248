"""What a calibration reads: one row of parallel arrays for each request with a score."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from routectl.calibration.arrays import Booleans, Floats, Integers
from routectl.calibration.clusters import Ids
from routectl.calibration.cut_table import CutTable, Events, cut_table
from routectl.calibration.month import TrafficMonth
from routectl.errors import CalibrationError


def check_win_rates(win_rates: Floats) -> None:
    """Refuse scores that are not strong win rates.

    Raises:
        CalibrationError: there is no score, or some are NaN, infinite or outside [0, 1].
    """
    if not len(win_rates):
        raise CalibrationError(
            "No request has a score, so no threshold can be chosen; score the traffic first."
        )
    refused = len(win_rates) - int(np.count_nonzero((win_rates >= 0.0) & (win_rates <= 1.0)))
    if refused:
        raise CalibrationError(
            f"{refused:,} of {len(win_rates):,} scores are not strong win rates (NaN, infinite, or "
            "outside 0 to 1), so no threshold can be chosen; score these prompts again."
        )


@dataclass(frozen=True, slots=True, eq=False)
class ScoredSample:
    """Parallel arrays, one element for each request that has a score.

    Raises:
        CalibrationError: there is no request, a score is no strong win rate, or a weight is
            not a positive number.
        ValueError: the arrays are not of one length.
    """

    win_rates: Floats
    """Strong win rates, in [0, 1]."""
    weights: Floats
    """Requests of the population that each one stands for: 1 when everything was kept,
    seen / kept when the import sampled. Above 0."""
    prompts: Integers
    """Id of the distinct prompt, at least 0."""
    conversations: Integers
    """Id of the conversation, -1 where unknown."""
    times: Floats
    """Seconds since 1970 in UTC, NaN where unknown."""
    tokens: Floats
    """Tokens of the call, in and out, NaN where unknown."""
    spend: Floats
    """What the proxy booked for the call, in US dollars, NaN where unknown."""
    strong_cost: Floats | None = None
    """What the call costs with the strong model, in US dollars, NaN where unknown. None, as
    `weak_cost` then is: nobody knows prices."""
    weak_cost: Floats | None = None
    month: TrafficMonth | None = None
    """Of these requests; None where nobody asks, or no month can be told."""
    moving_together: Integers | None = None
    """Requests of one number, from 0, have one score because they are decided at once; None: each
    is decided for itself."""

    def __post_init__(self) -> None:
        columns = [getattr(self, field.name) for field in fields(self)]
        if len({len(column) for column in columns if isinstance(column, np.ndarray)}) != 1:
            raise ValueError("The arrays of a sample must be of one length.")
        check_win_rates(self.win_rates)
        if not bool(np.all((self.weights > 0) & np.isfinite(self.weights))):
            raise CalibrationError(
                "Some requests have a weight that is no positive number; import the sample again."
            )

    def __len__(self) -> int:
        return len(self.win_rates)

    def at(self, rows: Ids | Booleans) -> ScoredSample:
        """The same of some of the requests, at least one, which are no month of the traffic."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        taken: dict[str, Any] = {
            name: column[rows] for name, column in columns.items() if isinstance(column, np.ndarray)
        }
        return ScoredSample(**taken)

    def cut_table(self) -> CutTable:
        """The cuts that thresholds in [0, 1] make: each request is one event, at its score."""

        def weighted(amounts: Floats | None) -> Floats | None:
            return None if amounts is None else amounts * self.weights

        def monthly(amounts: Floats | None) -> Floats | None:
            if amounts is None or self.month is None:
                return None
            return self.month.shares(amounts)

        events = Events(
            values=self.win_rates,
            requests=self.weights,
            tokens=weighted(self.tokens),
            booked_cost=weighted(self.spend),
            cost_strong=weighted(self.strong_cost),
            cost_weak=weighted(self.weak_cost),
            month_strong=monthly(self.strong_cost),
            month_weak=monthly(self.weak_cost),
        )
        table = cut_table(events, lowest=0.0, highest=1.0)
        if self.moving_together is None:
            return table
        return replace(
            table, largest_event=float(np.bincount(self.moving_together, self.weights).max())
        )
