"""Choosing a threshold: pure functions on arrays, no I/O, no torch.

The cut table is the object in the middle; research/statistics.md has the formulas, with an
example on five requests that can be checked by hand.
"""

from routectl.calibration.certainty import (
    Caveat,
    Certainty,
    RecurringPrompt,
    WithoutPrompts,
    caveats,
)
from routectl.calibration.choice import Choice, choose
from routectl.calibration.conversations import first_of_conversation
from routectl.calibration.cut import Cut, PassedOver, Spending, Tie
from routectl.calibration.cut_figures import CutFigures, cut_figures
from routectl.calibration.cut_table import CutTable, Events, Ranking, cut_table
from routectl.calibration.decimals import shortest_decimal
from routectl.calibration.effective_size import Dependence, EffectiveSize, effective_size
from routectl.calibration.intervals import (
    Interval,
    long_run_interval,
    next_requests_interval,
    requests_for_half_width,
)
from routectl.calibration.judged_quality import expected_quality
from routectl.calibration.loss import CutLoss, JudgedSample, Projection
from routectl.calibration.money import Month, month_of_cut
from routectl.calibration.month import TrafficMonth
from routectl.calibration.sample import ScoredSample
from routectl.calibration.segments import FEWEST_INDEPENDENT, SegmentCut, SegmentedCut, Segments
from routectl.calibration.self_check import SelfCheck
from routectl.calibration.targets import (
    Budget,
    MaxLoss,
    StrongFraction,
    Target,
    target_from_json,
)

__all__ = [
    "FEWEST_INDEPENDENT",
    "Budget",
    "Caveat",
    "Certainty",
    "Choice",
    "Cut",
    "CutFigures",
    "CutLoss",
    "CutTable",
    "Dependence",
    "EffectiveSize",
    "Events",
    "Interval",
    "JudgedSample",
    "MaxLoss",
    "Month",
    "PassedOver",
    "Projection",
    "Ranking",
    "RecurringPrompt",
    "ScoredSample",
    "SegmentCut",
    "SegmentedCut",
    "Segments",
    "SelfCheck",
    "Spending",
    "StrongFraction",
    "Target",
    "Tie",
    "TrafficMonth",
    "WithoutPrompts",
    "caveats",
    "choose",
    "cut_figures",
    "cut_table",
    "effective_size",
    "expected_quality",
    "first_of_conversation",
    "long_run_interval",
    "month_of_cut",
    "next_requests_interval",
    "requests_for_half_width",
    "shortest_decimal",
    "target_from_json",
]
