"""So much quality lost against always-strong at most, or so much of it kept at least."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from routectl.calibration.cut import Cut, threshold_text
from routectl.calibration.cut_table import RESOLUTION, ROUNDING, CutTable
from routectl.calibration.loss import JudgedSample, SureCut, cheapest_cut, labels_needed
from routectl.calibration.targets.protocol import SizeAt
from routectl.errors import CalibrationError, UsageError

Measure = Literal["max_loss", "min_quality"]
MEASURES: tuple[Measure, ...] = ("max_loss", "min_quality")


@dataclass(frozen=True, slots=True)
class MaxLoss:
    """The fewest strong requests with which quality is lost up to a limit, with a confidence.

    What is lost is told by the judged requests of an evaluation.

    Raises:
        UsageError: the loss is below 0, the quality outside [0, 1], or the confidence outside
            [0.5, 1).
    """

    measure: Measure
    asked: float
    """`max_loss`: mean quality that may be lost, in the evaluation's unit. `min_quality`: share of
    always-strong's mean quality that is kept."""
    evaluation: int
    """Its id."""
    confidence: float = 0.95
    judged: JudgedSample | None = field(default=None, repr=False, compare=False)
    """The evaluation's rows, without which no cut can be chosen; they are not stored with it."""

    def __post_init__(self) -> None:
        if self.measure == "max_loss" and not 0.0 <= self.asked < float("inf"):
            raise UsageError(f"A loss is a number from 0 on, for example 0.03, not {self.asked}.")
        if self.measure == "min_quality" and not 0.0 <= self.asked <= 1.0:
            raise UsageError(
                "A quality to keep is a share of always-strong's between 0 and 1, for example "
                f"0.97, not {self.asked}."
            )
        if not 0.5 <= self.confidence < 1.0:
            raise UsageError(
                f"The confidence of a limit lies from 0.5 to below 1, not at {self.confidence}."
            )

    @property
    def tolerance(self) -> float:
        """Nothing is missed: a cut that keeps the limit is taken, or none."""
        return 0.0

    @property
    def _relative(self) -> bool:
        return self.measure == "min_quality"

    @property
    def limit(self) -> float:
        """Of the loss: in the quality's unit, or as a share of always-strong's quality."""
        return round(1.0 - self.asked, 12) if self._relative else self.asked

    def with_judged(self, judged: JudgedSample) -> MaxLoss:
        """The same with the evaluation's rows.

        Raises:
            UsageError: a share of always-strong's quality is asked for, and that has none: a
                quality is below 0, or all are 0.
        """
        strong = judged.strong_quality
        if self._relative and not (strong.min() >= 0 and strong.max() > 0):
            raise UsageError(
                "a share of always-strong's quality needs qualities from 0 on, some of them above: "
                "use --max-loss, which is in the evaluation's unit"
            )
        return replace(self, judged=judged)

    def cut(self, table: CutTable, noise: float, _size_at: SizeAt | None = None) -> Cut:
        """The cut whose threshold is the cheapest one that keeps the limit on the judged rows.

        Raises:
            CalibrationError: none below all-strong does.
        """
        assert self.judged is not None, "with_judged comes first"
        sure = cheapest_cut(self.judged, self.limit, self.confidence, relative=self._relative)
        if sure is None:
            raise CalibrationError(self._none_keeps_it(self.judged))
        index = _cut_within(table, sure)
        text = threshold_text(table, index, noise, within=(sure.lower, sure.upper))
        return replace(Cut.of(table, index, text), loss=sure.loss)

    def _none_keeps_it(self, judged: JudgedSample) -> str:
        limit = (
            f"{self.asked:g} of always-strong's quality"
            if self._relative
            else f"a loss of at most {self.asked:g}"
        )
        needed = labels_needed(judged, self.limit, self.confidence, relative=self._relative)
        rest = (
            "more labels would not change that if they said the same: allow a larger loss"
            if needed is None
            else f"about {needed.labels:,} labels would, at {100 * needed.strong_fraction:.0f} % "
            "strong, if they said the same"
        )
        return (
            f"No threshold but always-strong keeps {limit} with {self.confidence:.4g} confidence "
            f"by these {len(judged):,} labels; {rest}."
        )

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> MaxLoss:
        """What `to_json` wrote."""
        (measure,) = (name for name in MEASURES if name in stored)
        return cls(measure, stored[measure], stored["evaluation"], stored["confidence"])

    def aim(self, _cut: Cut) -> float | None:
        """No share is asked for."""
        return None

    def missed_by(self, _cut: Cut) -> float | None:
        """Never: a cut that keeps the limit is taken, or none."""
        return None

    def to_json(self) -> dict[str, float | bool | str | None]:
        """What is stored with a calibration."""
        return {
            self.measure: self.asked,
            "evaluation": self.evaluation,
            "confidence": self.confidence,
        }


def _cut_within(table: CutTable, sure: SureCut) -> int:
    """The population's cut whose threshold makes a cut of the judged rows.

    Between two judged scores nothing tells thresholds apart, so the one with the most strong
    requests is taken, and of those within 0.1 point of it the one with the widest gap.
    """
    lower, upper = sure.lower, min(sure.upper, float(table.upper[0]))
    strictest = table.at(float(np.nextafter(lower, np.inf)))
    cuts = np.arange(table.at(upper), strictest + 1)
    cuts = cuts[table.share[cuts] >= table.share[strictest] - RESOLUTION - ROUNDING]
    widths = np.minimum(table.upper[cuts], upper) - np.maximum(table.lower[cuts], lower)
    return int(cuts[len(cuts) - 1 - int(np.argmax(widths[::-1]))])
