"""What a cut gives: a share, what a month of it costs, and the quality that was measured."""

from __future__ import annotations

from dataclasses import dataclass

from routectl.calibration.cut import Cut
from routectl.calibration.cut_table import CutTable
from routectl.calibration.effective_size import Dependence
from routectl.calibration.intervals import Interval, long_run_interval
from routectl.calibration.judged_quality import expected_quality
from routectl.calibration.loss import JudgedSample
from routectl.calibration.money import Month, month_of_cut
from routectl.calibration.sample import ScoredSample
from routectl.policy import meets, threshold_value


@dataclass(frozen=True, slots=True)
class CutFigures:
    """One row of a table of cuts, such as `plan` and `report` show."""

    cut: Cut
    month: Month | None
    """None where no month or no price is known; without intervals where nobody asked for them."""
    quality: float | None
    """Mean over the judged requests, in the unit of their qualities; None without an evaluation."""
    quality_interval: Interval | None
    long_run: Interval | None
    """Of the share; None where nobody asked for intervals."""


def cut_figures(
    sample: ScoredSample,
    table: CutTable,
    cut: Cut,
    judged: JudgedSample | None,
    confidence: float,
    dependence: Dependence | None = None,
) -> CutFigures:
    """What a cut of a sample gives.

    Args:
        table: of the sample.
        judged: None where nothing is evaluated.
        confidence: of all intervals, in (0, 1).
        dependence: of the sample, for the intervals of share and money, which take a pass over all
            requests. Without it, both are look-ups in the table.
    """
    threshold = threshold_value(cut.threshold)
    month = long_run = quality = quality_interval = None
    if dependence is not None:
        is_strong = meets(sample.win_rates, threshold)
        long_run = long_run_interval(dependence.size(is_strong), confidence)
        strong_cost, weak_cost = sample.strong_cost, sample.weak_cost
        if sample.month is not None and strong_cost is not None and weak_cost is not None:
            month = month_of_cut(
                sample.month, dependence, is_strong, strong_cost, weak_cost, confidence
            )
    elif sample.month is not None:
        month = Month.of_table(sample.month, table, table.at(threshold))
    if judged is not None:
        goes_to_strong = meets(judged.win_rates, threshold)
        quality, quality_interval = expected_quality(judged, goes_to_strong, confidence)
    return CutFigures(cut, month, quality, quality_interval, long_run)
