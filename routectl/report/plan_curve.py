"""What each strong fraction costs and is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from routectl.report.drawing import BLUE, WIDTH, new_figure, style, title, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class PlanLine(NamedTuple):
    """One panel: a value at each strong fraction, with its interval."""

    label: str
    """With its unit."""
    value: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def draw_plan(shares: Sequence[float], lines: Sequence[PlanLine], heading: str) -> Figure:
    """A panel for each line, side by side.

    Args:
        shares: strong fractions, in [0, 1], as many as each line has values.
        lines: at least one.

    Raises:
        UsageError: matplotlib is not installed.
    """
    percents = [100 * share for share in shares]
    with style():
        figure = new_figure(3.6)
        for axes, line in zip(figure.subplots(1, len(lines), squeeze=False)[0], lines, strict=True):
            axes.fill_between(percents, line.low, line.high, color=BLUE, alpha=0.2, linewidth=0)
            axes.plot(percents, line.value, color=BLUE, marker="o", markersize=3)
            axes.set_xlabel("strong fraction, % of the requests")
            axes.set_ylabel(line.label)
            axes.set_xlim(0, 100)
        title(figure, wrapped(heading, 0.9 * WIDTH))
    return figure
