"""Judging a sample of the traffic, to say whether routers are better than random on it."""

from routectl.workflow.labelling.drawing import DrawnTraffic, Question, draw_traffic
from routectl.workflow.labelling.run import LabelReport, kept_work, label
from routectl.workflow.labelling.storing import LabelledRouter, Shares

__all__ = [
    "DrawnTraffic",
    "LabelReport",
    "LabelledRouter",
    "Question",
    "Shares",
    "draw_traffic",
    "kept_work",
    "label",
]
