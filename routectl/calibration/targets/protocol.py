"""What a target is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from routectl.calibration.cut import Cut
from routectl.calibration.cut_table import CutTable
from routectl.calibration.effective_size import EffectiveSize

SizeAt = Callable[[float], EffectiveSize]
"""The effective size behind the share that a threshold has."""


class Target(Protocol):
    """What a calibration is asked for: a strategy that turns a cut table into a cut.

    A frozen dataclass. Its key is the first one of its JSON.
    """

    @property
    def tolerance(self) -> float:
        """How far the achieved share may be from `aim` before it counts as a miss."""
        ...

    def cut(self, table: CutTable, noise: float, size_at: SizeAt | None = None) -> Cut:
        """The cut to take, and its threshold.

        Args:
            table: made for thresholds in [0, 1].
            noise: the largest difference between two scores of one prompt by this router.
            size_at: of the sample that the table was made from, for a target that needs it.

        Raises:
            CalibrationError: no cut has what is asked for.
        """
        ...

    def aim(self, cut: Cut) -> float | None:
        """The strong fraction that a cut was to come near; None where there is no such share."""
        ...

    def missed_by(self, cut: Cut) -> float | None:
        """How far the cut's share is from `aim`, where that is more than the tolerance."""
        ...

    def to_json(self) -> dict[str, float | bool | str | None]:
        """What is stored with a calibration, as plain JSON values."""
        ...
