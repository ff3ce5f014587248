"""What a calibration is asked for: a target is a strategy that turns a cut table into a cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from routectl.calibration.cut import Cut, PassedOver, Tie, threshold_text
from routectl.calibration.cut_table import RESOLUTION, ROUNDING, CutTable
from routectl.errors import UsageError


@dataclass(frozen=True, slots=True)
class StrongFraction:
    """A share of the requests for the strong model.

    Raises:
        UsageError: the share is no number in [0, 1].
    """

    share: float
    at_most: bool = False
    """Never above the share, where the scores allow it."""
    tolerance: float = 0.02
    """How far the achieved share may be from the asked one before it counts as a miss."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise UsageError(f"A strong fraction lies between 0 and 1, not at {self.share}.")

    def cut(self, table: CutTable, noise: float) -> Cut:
        """The cut whose share is nearest (see `CutTable.nearest`), and its threshold.

        A target of 1 means always and a target of 0 means never, for scores not yet seen too, so
        they get "0.0" and "1.0" where the cut allows it.

        Args:
            table: made for thresholds in [0, 1].
            noise: the largest difference between two scores of one prompt by this router.
        """
        index = table.nearest(self.share, at_most=self.at_most)
        if self.share == 1.0 and index == len(table) - 1:
            threshold = "0.0"
        elif self.share == 0.0 and table.share[index] == 0.0:
            threshold = "1.0"
        else:
            threshold = threshold_text(table, index, noise)
        return replace(
            Cut.of(table, index, threshold),
            tie=self._tie(table),
            passed_over=self._passed_over(table, index, noise),
            lowest_share=float(table.share[0]) if table.share[0] > self.share + ROUNDING else None,
        )

    def _passed_over(self, table: CutTable, taken: int, noise: float) -> PassedOver | None:
        """The cut that is nearer to the share than the one that was taken, if there is one."""
        nearer = table.closest(self.share, at_most=self.at_most)
        distance = np.abs(table.share[[nearer, taken]] - self.share)
        if distance[1] <= distance[0] + ROUNDING:
            return None
        gap = float(table.upper[nearer] - table.lower[nearer])
        return PassedOver(float(table.share[nearer]), gap, within_noise=gap <= 2 * noise)

    def _tie(self, table: CutTable) -> Tie | None:
        """The tie that keeps the share out of reach, if one does.

        A share between two requests is missed by at most half a request, and the cut is only
        chosen to 0.1 point; what is missed by more than both is missed because of a tie.
        """
        above = int(np.searchsorted(table.share, self.share))
        if above in (0, len(table)):
            return None
        low, high = float(table.share[above - 1]), float(table.share[above])
        half_a_request = table.largest_event / table.total_requests / 2
        missed_by = min(self.share - low, high - self.share)
        if missed_by <= max(RESOLUTION, half_a_request) + ROUNDING:
            return None
        return Tie(
            score=float(table.upper[above]),
            requests=float(table.requests[above] - table.requests[above - 1]),
            share_below=low,
            share_above=high,
        )

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> StrongFraction:
        """What `to_json` wrote."""
        share = stored["strong_fraction"]
        return cls(share, stored.get("at_most", False), stored.get("tolerance", 0.02))

    def missed_by(self, cut: Cut) -> float | None:
        """How far the cut's share is from the asked one, where that is more than the tolerance."""
        miss = abs(cut.strong_fraction - self.share)
        return miss if miss > self.tolerance + ROUNDING else None

    def to_json(self) -> dict[str, float | bool]:
        """What is stored with a calibration."""
        return {
            "strong_fraction": self.share,
            "at_most": self.at_most,
            "tolerance": self.tolerance,
        }
