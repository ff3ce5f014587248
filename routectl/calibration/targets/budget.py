"""US dollars a month."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from routectl.calibration.arrays import Floats
from routectl.calibration.cut import Cut, passed_over, threshold_text, tie_at
from routectl.calibration.cut_table import ROUNDING, CutTable
from routectl.calibration.targets.protocol import SizeAt
from routectl.errors import CalibrationError, UsageError

_EXAMPLE = "5000/month"


@dataclass(frozen=True, slots=True)
class Budget:
    """The most US dollars that 30 days of such traffic cost.

    Raises:
        UsageError: it is no finite number above 0.
    """

    usd: float
    """In 30 days."""
    tolerance: float = 0.02
    """How far the achieved share may be from the one that the budget pays for."""

    def __post_init__(self) -> None:
        if not (0.0 < self.usd < math.inf):
            raise UsageError(
                f"A budget is a number of US dollars above 0, as in {_EXAMPLE}, not {self.usd}."
            )

    def cut(self, table: CutTable, noise: float, _size_at: SizeAt | None = None) -> Cut:
        """The largest share whose month costs no more, and its threshold.

        Of the cuts within 0.1 point below it, the one with the widest gap. A budget above that of
        all strong requests takes all of them; one that pays for the weak model alone sends nothing
        to the strong one, scores not yet seen too.

        Args:
            table: with the costs of a month.

        Raises:
            CalibrationError: no cut costs as little.
        """
        month = table.month
        assert month is not None
        limit = self.usd * (1 + ROUNDING)
        within = np.flatnonzero(month <= limit)
        if not len(within):
            raise CalibrationError(self._refusal(table, month))
        index = highest = int(within[-1])
        wider = table.nearest(float(table.share[highest]), at_most=True)
        if month[wider] <= limit:
            index = wider
        if index == len(table) - 1:
            threshold = "0.0"
        elif table.share[index] == 0.0:
            threshold = "1.0"
        else:
            threshold = threshold_text(table, index, noise)
        share = _share_for(table, month, highest, self.usd)
        return replace(
            Cut.of(table, index, threshold),
            tie=tie_at(table, share),
            passed_over=passed_over(table, highest, index, share, noise),
            affordable_share=share,
        )

    def _refusal(self, table: CutTable, month: Floats) -> str:
        cheapest = int(np.argmin(month))
        percent = 100 * table.share[cheapest]
        what = (
            "with the weak model alone"
            if percent == 0.0
            else f"with {percent:.1f} % to the strong model, the cheapest threshold,"
        )
        lowest = math.ceil(float(month[cheapest]) * 100) / 100
        return (
            f"A budget of {self.usd:,.2f} USD a month cannot be met: 30 days of this traffic cost "
            f"{lowest:,.2f} USD {what} and {float(month[-1]):,.2f} USD with the strong one alone. "
            "Ask for a budget between the two, or route less traffic."
        )

    def aim(self, cut: Cut) -> float | None:
        """The share that the budget pays for."""
        return cut.affordable_share

    def missed_by(self, cut: Cut) -> float | None:
        """How far the cut's share is from it, where that is more than the tolerance."""
        if cut.affordable_share is None:
            return None
        miss = abs(cut.strong_fraction - cut.affordable_share)
        return miss if miss > self.tolerance + ROUNDING else None

    def to_json(self) -> dict[str, float | bool | str | None]:
        """What is stored with a calibration."""
        return {"budget": self.usd, "per": "month", "currency": "USD", "tolerance": self.tolerance}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Budget:
        """What `to_json` wrote."""
        return cls(stored["budget"], stored["tolerance"])


def _share_for(table: CutTable, month: Floats, index: int, usd: float) -> float:
    """The share at which a month costs the budget: between a cut and the next, a straight line."""
    share = float(table.share[index])
    if index == len(table) - 1:
        return share
    step = float(month[index + 1] - month[index])
    rest = (usd - float(month[index])) / step
    return share + min(1.0, max(0.0, rest)) * (float(table.share[index + 1]) - share)
