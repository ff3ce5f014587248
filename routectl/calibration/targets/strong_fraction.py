"""A share of the requests for the strong model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from routectl.calibration.cut import Cut, passed_over, threshold_text, tie_at
from routectl.calibration.cut_table import ROUNDING, CutTable
from routectl.calibration.intervals import upper_limit
from routectl.calibration.targets.protocol import SizeAt
from routectl.errors import CalibrationError, UsageError

_STEPS = 20
"""Cuts that the search for a guaranteed one looks at before it only goes down."""


@dataclass(frozen=True, slots=True)
class StrongFraction:
    """A share of the requests for the strong model.

    Raises:
        UsageError: the share is no number in [0, 1], or the guarantee none in [0.5, 1).
    """

    share: float
    at_most: bool = False
    """Never above the share, where the scores allow it."""
    tolerance: float = 0.02
    """How far the achieved share may be from the asked one before it counts as a miss."""
    guarantee: float | None = None
    """The confidence that the long-run share is not above `share`; None: not asked for."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise UsageError(f"A strong fraction lies between 0 and 1, not at {self.share}.")
        if self.guarantee is not None and not 0.5 <= self.guarantee < 1.0:
            raise UsageError(
                "A guarantee is a confidence from 0.5 to below 1, for example 0.95, "
                f"not {self.guarantee}."
            )

    def cut(self, table: CutTable, noise: float, size_at: SizeAt | None = None) -> Cut:
        """The cut whose share is nearest (see `CutTable.nearest`), and its threshold.

        With a guarantee it is the cut with the largest share whose long-run share is above the
        target with a probability of at most 1 - guarantee.

        A target of 1 means always and a target of 0 means never, for scores not yet seen too, so
        they get "0.0" and "1.0" where the cut allows it.

        Args:
            table: made for thresholds in [0, 1].
            noise: the largest difference between two scores of one prompt by this router.
            size_at: of the sample that the table was made from; a guarantee needs it.

        Raises:
            CalibrationError: no cut has the guarantee.
        """
        guaranteed = None
        if self.guarantee is None:
            index = table.nearest(self.share, at_most=self.at_most)
        else:
            assert size_at is not None
            index, guaranteed = self._guaranteed(table, size_at, self.guarantee)
        if self.share == 1.0 and index == len(table) - 1:
            threshold = "0.0"
        elif self.share == 0.0 and table.share[index] == 0.0:
            threshold = "1.0"
        else:
            threshold = threshold_text(table, index, noise)
        return replace(
            Cut.of(table, index, threshold),
            tie=tie_at(table, self.share) if self.guarantee is None else None,
            passed_over=(
                passed_over(table, self._closest(table), index, self.share, noise)
                if self.guarantee is None
                else None
            ),
            lowest_share=float(table.share[0]) if table.share[0] > self.share + ROUNDING else None,
            guaranteed=guaranteed,
        )

    def _closest(self, table: CutTable) -> int:
        return table.closest(self.share, at_most=self.at_most)

    def _guaranteed(self, table: CutTable, size_at: SizeAt, guarantee: float) -> tuple[int, float]:
        """The cut with the guarantee, and the limit of its long-run share.

        The limit depends on the effective size, and that on the cut: each cut that is looked at
        names the next one, until one names itself. A cut may only name a smaller share after
        20 of them, so this ends.
        """
        if self.share == 0.0 and table.share[0] == 0.0:
            return 0, 0.0

        def limit(index: int, of: int) -> float:
            """Of the cut `index`, with the effective size of the cut `of`."""
            return upper_limit(float(table.share[index]), sizes(of), guarantee)

        corrected: dict[int, float] = {}

        def sizes(index: int) -> float:
            if index not in corrected:
                size = size_at(float(table.upper[index]))
                corrected[index] = size.corrected_one_sided(guarantee)
            return corrected[index]

        def largest(of: int) -> int:
            """The largest share whose limit is not above the target, -1 if there is none."""
            low, high = -1, len(table) - 1
            while low < high:
                middle = (low + high + 1) // 2
                if limit(middle, of) <= self.share:
                    low = middle
                else:
                    high = middle - 1
            return low

        index = max(0, table.nearest(self.share, at_most=True))
        for step in range(len(table) + _STEPS):
            named = largest(index)
            if named == index or (step >= _STEPS and named > index):
                break
            if named < 0:
                index = named
                break
            index = named if step < _STEPS else min(named, index - 1)
        first = int(np.argmax(table.share > 0.0))
        if index < first:
            lowest, at_most = 100 * table.share[first], 100 * limit(first, first)
            raise CalibrationError(
                f"No threshold keeps the long-run share at or below {100 * self.share:.2f} % with "
                f"{guarantee:.4g} confidence: the lowest one above 0 is {lowest:.2f} %, and it may "
                f"be {at_most:.2f} % in the long run. More requests on more days make it surer; a "
                "higher share or a lower guarantee can be met."
            )
        wider = table.nearest(float(table.share[index]), at_most=True)
        if wider >= first and limit(wider, wider) <= self.share:
            index = wider
        return index, limit(index, index)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> StrongFraction:
        """What `to_json` wrote."""
        share = stored["strong_fraction"]
        return cls(
            share,
            stored.get("at_most", False),
            stored.get("tolerance", 0.02),
            stored.get("guarantee"),
        )

    def aim(self, _cut: Cut) -> float | None:
        """The share that is asked for."""
        return self.share

    def missed_by(self, cut: Cut) -> float | None:
        """How far the cut's share is from the asked one, where that is more than the tolerance.

        None where there is a guarantee: that share is lower than the asked one on purpose.
        """
        if self.guarantee is not None:
            return None
        miss = abs(cut.strong_fraction - self.share)
        return miss if miss > self.tolerance + ROUNDING else None

    def to_json(self) -> dict[str, float | bool | str | None]:
        """What is stored with a calibration; a guarantee only where there is one, as before."""
        value: dict[str, float | bool | str | None] = {
            "strong_fraction": self.share,
            "at_most": self.at_most,
            "tolerance": self.tolerance,
        }
        return value if self.guarantee is None else value | {"guarantee": self.guarantee}
