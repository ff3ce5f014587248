"""What the two plots of quality share: lines of routers, lines of baselines, and points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from routectl.escaping import visible
from routectl.evaluation.router_results import ORACLE, RANDOM
from routectl.report.drawing import COLOURS, GREY

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

Y_LABEL = "mean quality, in the benchmark's unit"
WEAK_END, STRONG_END = "always weak", "always strong"

_DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (6, 2, 1, 2)), (0, (2.5, 1.5)), (0, (9, 3)))
"""Five dashes and six colours: thirty lines before two are drawn alike, and grey tells, too."""
_BASELINE_DASHES: Mapping[str, Any] = {RANDOM: (0, (1, 2)), ORACLE: "-"}
_OTHER_BASELINE: Any = (0, (5, 2, 1, 2, 1, 2))


class Line(NamedTuple):
    """A router or a baseline at all its cuts."""

    name: str
    x: Floats
    """Shape (cuts + 1,)."""
    quality: Floats
    """Shape (cuts + 1,), mean, in the benchmark's own unit."""


class Point(NamedTuple):
    """A model alone, or a router at one threshold."""

    name: str
    """"always weak", "always strong", or the config string."""
    x: float
    quality: float
    """Mean, in the benchmark's own unit."""
    words: str
    """Share, cost and quality for the legend."""


class Threshold(NamedTuple):
    """Where a router is operated."""

    config: str
    """The config string, as the proxy takes it."""
    value: float
    """A request goes to the strong model iff its score is at least this."""


def draw_lines(
    axes: Axes, routers: Sequence[Line], baselines: Sequence[Line], scale: float = 1.0
) -> list[Artist]:
    """Routers in colours above baselines in grey.

    Args:
        scale: what x is multiplied with.

    Returns:
        The lines, for a legend.
    """
    drawn: list[Artist] = []
    for index, line in enumerate(routers):
        drawn += axes.plot(
            scale * line.x,
            line.quality,
            color=colour(index),
            linestyle=_DASHES[index % len(_DASHES)],
            label=visible(line.name),
            zorder=3,
        )
    for line in baselines:
        drawn += axes.plot(
            scale * line.x,
            line.quality,
            color=GREY,
            linestyle=_BASELINE_DASHES.get(line.name, _OTHER_BASELINE),
            linewidth=1.2,
            label=visible(line.name),
            zorder=2,
        )
    return drawn


def colour(index: int) -> str:
    """Of the router that is drawn as this one of several."""
    return COLOURS[index % len(COLOURS)]


def draw_points(
    axes: Axes,
    routers: Sequence[Line],
    weak: Point,
    strong: Point,
    points: Mapping[str, Point],
    scale: float = 1.0,
) -> list[Artist]:
    """The two models alone, and routers at their thresholds in their colours.

    Args:
        points: by router.
        scale: what x is multiplied with.

    Returns:
        The points, for a legend.
    """
    # The ends are the larger ones, so that a threshold there does not hide them.
    shown = [("black", "v", 10, weak), ("black", "^", 10, strong)]
    for index, line in enumerate(routers):
        if line.name in points:
            shown.append((colour(index), "D", 6, points[line.name]))
    drawn: list[Artist] = []
    for fill, marker, size, point in shown:
        drawn += axes.plot(
            scale * point.x,
            point.quality,
            marker=marker,
            markersize=size,
            markeredgecolor="black",
            color=fill,
            linestyle="none",
            label=f"{visible(point.name)}: {point.words}",
            zorder=5,
            # An end of a curve lies on the edge of the axes.
            clip_on=False,
        )
    return drawn
