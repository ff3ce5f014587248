"""Mean quality against strong fraction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from routectl.escaping import visible
from routectl.evaluation.bands import Band, quality_bands
from routectl.evaluation.benchmark import JudgedPair
from routectl.evaluation.metrics import Curve, oracle_curve, quality_curve, random_curve
from routectl.evaluation.router_results import ORACLE, RANDOM
from routectl.report.drawing import (
    WIDTH,
    Heading,
    legend_below,
    new_figure,
    number,
    panels_per_row,
    percent,
    style,
    title,
    wrapped,
)
from routectl.report.lines import (
    STRONG_END,
    WEAK_END,
    Y_LABEL,
    Floats,
    Line,
    Point,
    Threshold,
    colour,
    draw_lines,
    draw_points,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GRID = np.linspace(0, 1, 101)
"""The strong fractions at which bands are computed."""
_BANDS_TOGETHER = 2
"""So many bands can lie over each other and still be told apart."""


class QualityCurves(NamedTuple):
    """Routers, baselines and thresholds on one benchmark; every x is a strong fraction."""

    routers: tuple[Line, ...]
    bands: Mapping[str, Band]
    """By router."""
    baselines: tuple[Line, ...]
    """Random, those that the caller gave, the oracle."""
    always_weak: Point
    always_strong: Point
    points: Mapping[str, Point]
    """By router, at its threshold."""
    draws: int
    seed: int
    confidence: float


def quality_curves(
    judged: JudgedPair,
    scores: Mapping[str, Floats],
    *,
    baselines: Mapping[str, Floats] | None = None,
    thresholds: Mapping[str, Threshold] | None = None,
    draws: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> QualityCurves:
    """The numbers of the plot.

    Args:
        judged: n rows; where they have weights, fractions and means are those of requests.
        scores: by router, shape (n,), high = strong model.
        baselines: the same of what only serves to compare, such as length.
        thresholds: by router.

    Raises:
        InputError: as `bands.quality_bands`.
    """
    strong, weak, weights = judged.strong_quality, judged.weak_quality, judged.weights
    straight = random_curve(strong, weak, weights)
    others = {
        RANDOM: straight,
        **{k: quality_curve(s, strong, weak, weights) for k, s in (baselines or {}).items()},
        ORACLE: oracle_curve(strong, weak, weights),
    }
    curves = {name: quality_curve(s, strong, weak, weights) for name, s in scores.items()}
    return QualityCurves(
        routers=tuple(_line(name, curve) for name, curve in curves.items()),
        bands=quality_bands(
            scores,
            strong,
            weak,
            strong_fractions=GRID,
            weights=weights,
            strata=judged.strata,
            draws=draws,
            seed=seed,
            confidence=confidence,
        ),
        baselines=tuple(_line(name, curve) for name, curve in others.items()),
        always_weak=_end(WEAK_END, 0.0, straight.weak_quality),
        always_strong=_end(STRONG_END, 1.0, straight.strong_quality),
        points={
            name: _operated(threshold, curves[name])
            for name, threshold in (thresholds or {}).items()
        },
        draws=draws,
        seed=seed,
        confidence=confidence,
    )


def _line(name: str, curve: Curve) -> Line:
    return Line(name, curve.strong_fraction, curve.quality)


def _end(name: str, strong_fraction: float, quality: float) -> Point:
    return Point(name, strong_fraction, quality, f"quality {number(quality)}")


def _operated(threshold: Threshold, curve: Curve) -> Point:
    cut = curve.table.at(threshold.value)
    share, quality = float(curve.strong_fraction[cut]), float(curve.quality[cut])
    words = f"{percent(share)} strong, quality {number(quality)}"
    return Point(threshold.config, share, quality, words)


def draw_quality_curves(curves: QualityCurves, heading: Heading) -> Figure:
    """The plot. Of more than two routers, each has its band in a panel of its own below.

    Raises:
        UsageError: matplotlib is not installed.
    """
    routers = curves.routers
    columns = panels_per_row(len(routers))
    rows = 0 if len(routers) <= _BANDS_TOGETHER else -(-len(routers) // columns)
    note = [
        f"Shaded: {100 * curves.confidence:.4g} % bootstrap interval at each strong fraction "
        f"({curves.draws:,} draws, seed {curves.seed})."
    ]
    if len(routers) > 1:
        note.append("The draws are the same for all: bands that overlap do not say two are alike.")
    if rows:
        note.append("Grey in the small panels: the other routers, and random.")
    with style():
        figure = new_figure(4.1 + 1.5 * rows)
        grid = figure.add_gridspec(1 + rows, columns, height_ratios=[3.0, *[1.25] * rows])
        axes = figure.add_subplot(grid[0, :])
        panel = None
        left = draw_lines(axes, routers, curves.baselines, scale=100)
        right = draw_points(
            axes, routers, curves.always_weak, curves.always_strong, curves.points, scale=100
        )
        for index, line in enumerate(routers):
            if not rows:
                _shade(axes, curves.bands[line.name], index)
                continue
            row, column = divmod(index, columns)
            panel = figure.add_subplot(grid[1 + row, column], sharex=axes, sharey=panel)
            for other in (*routers, *curves.baselines[:1]):
                panel.plot(100 * other.x, other.quality, color="0.75", linewidth=0.7, zorder=2)
            panel.plot(100 * line.x, line.quality, color=colour(index), zorder=3)
            _shade(panel, curves.bands[line.name], index)
            panel.set_title(wrapped(visible(line.name), WIDTH / 4))
        axes.set_xlim(0, 100)
        axes.set_xlabel("strong fraction, % of requests")
        axes.set_ylabel(Y_LABEL)
        title(figure, heading.text("mean quality by strong fraction"))
        legend_below(figure, left, right, note)
    return figure


def _shade(axes: Axes, band: Band, index: int) -> None:
    axes.fill_between(
        100 * band.strong_fraction,
        band.low,
        band.high,
        color=colour(index),
        alpha=0.16,
        linewidth=0,
        zorder=1,
    )
