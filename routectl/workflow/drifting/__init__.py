"""Looks at drift: does the traffic of a route still have the share that it was calibrated for?

A look is at one whole day, and is stored. `status` takes those that are due, `drift` shows them.
"""

from routectl.workflow.drifting.effects import EffectSizes
from routectl.workflow.drifting.looking import MOST_UNSCORED, drift_of
from routectl.workflow.drifting.looks import Alarm, Drift, Ringing, drift_limit
from routectl.workflow.drifting.report import DriftReport, drift

__all__ = [
    "MOST_UNSCORED",
    "Alarm",
    "Drift",
    "DriftReport",
    "EffectSizes",
    "Ringing",
    "drift",
    "drift_limit",
    "drift_of",
]
