"""Reliability of the strong win rates: how often the strong model wins at each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from routectl.calibration.sample import check_win_rates
from routectl.escaping import visible
from routectl.evaluation.benchmark import JudgedPair
from routectl.report.drawing import (
    BLUE,
    GREY,
    WIDTH,
    Heading,
    legend_below,
    new_figure,
    panels_per_row,
    style,
    title,
    wrapped,
)
from routectl.report.score_histogram import ScoreHistogram, draw_bars, score_histogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from routectl.report.drawing import Shown

Floats = NDArray[np.float64]

BINS = 10
ROWS_PER_BIN = 10
"""At least, where there are so many: the interval of fewer says nothing."""
_WIDE = 0.5
"""Scores that span more than this are shown on the whole axis from 0 to 1."""


class Reliability(NamedTuple):
    """One router's win rates against how often strong did win. b bins."""

    score: Floats
    """Shape (b,): the mean strong win rate of each bin, ascending."""
    observed: Floats
    """Shape (b,): the share of strong wins, ties as half."""
    low: Floats
    """Shape (b,): the interval of `observed`."""
    high: Floats
    share: Floats
    """Shape (b,): of all requests."""
    calibration_error: float
    """Expected calibration error (ECE): the mean of |observed - score| over requests."""
    by_chance: float
    """What the ECE of win rates without any fault would be, on average, with these bins."""
    confidence: float
    histogram: ScoreHistogram


def reliability(
    scores: Floats,
    strong_gain: Floats,
    *,
    weights: Floats | None = None,
    bins: int = BINS,
    confidence: float = 0.95,
) -> Reliability:
    """The numbers of one router's panel, from bins of equally many requests.

    Equal scores stay in one bin. The intervals are Clopper and Pearson's, with Kish's effective
    number of rows, sum(w)^2 / sum(w^2), for weighted ones; ties, which vary less than wins and
    losses do, make them too wide rather than too narrow. An ECE is above 0 by chance alone, for
    each bin by sqrt(2 / pi) standard errors: `by_chance` is that, from the variance within bins.

    Args:
        scores: strong win rates, shape (n,), in [0, 1].
        strong_gain: shape (n,), strong quality less weak quality.
        weights: shape (n,), above 0: how many requests a row stands for; None: one.
        bins: at most; fewer where a bin would hold fewer than 10 rows.
        confidence: in (0, 1).

    Raises:
        CalibrationError: a score is no strong win rate, or there is none.
    """
    check_win_rates(scores)
    requests = np.ones(len(scores)) if weights is None else np.asarray(weights, dtype=np.float64)
    wins = (np.sign(strong_gain) + 1) / 2
    bin_of = _bins(scores, requests, max(1, min(bins, len(scores) // ROWS_PER_BIN)))

    def sums(values: Floats) -> Floats:
        return np.asarray(np.bincount(bin_of, weights=values), dtype=np.float64)

    total = sums(requests)
    score, observed = sums(requests * scores) / total, sums(requests * wins) / total
    effective = total**2 / sums(requests**2)
    low, high = _clopper_pearson(observed, effective, confidence)
    share = total / total.sum()
    rows, count = np.bincount(bin_of), len(total)
    spread = float((requests * (wins - observed[bin_of]) ** 2).sum() / requests.sum())
    variance = spread * len(scores) / max(1, int(rows.sum()) - count)
    return Reliability(
        score=score,
        observed=observed,
        low=low,
        high=high,
        share=share,
        calibration_error=float(share @ np.abs(observed - score)),
        by_chance=float(share @ np.sqrt(2 / np.pi * variance / effective)),
        confidence=confidence,
        histogram=score_histogram(scores, weights=weights),
    )


def _bins(scores: Floats, weights: Floats, bins: int) -> NDArray[np.int64]:
    """The bin of each row, numbered from 0 without gaps: by the middle of its equal scores."""
    _, group = np.unique(scores, return_inverse=True)
    requests = np.bincount(group, weights=weights)
    middle = (np.cumsum(requests) - requests / 2) / requests.sum()
    _, numbers = np.unique(np.floor(bins * middle), return_inverse=True)
    bin_of: NDArray[np.int64] = numbers[group]
    return bin_of


def _clopper_pearson(share: Floats, n: Floats, confidence: float) -> tuple[Floats, Floats]:
    """The interval of shares of n; n need not be a whole number, nor need share * n."""
    from scipy.special import betaincinv

    k, tail = share * n, (1 - confidence) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(k > 0, betaincinv(k, n - k + 1, tail), 0.0)
        high = np.where(k < n, betaincinv(k + 1, n - k, 1 - tail), 1.0)
    return low, high


def reliabilities(
    judged: JudgedPair, scores: Mapping[str, Floats], *, confidence: float = 0.95
) -> dict[str, Reliability]:
    """The numbers of the plot: a panel for each router.

    Args:
        scores: by router, shape (n,).

    Raises:
        CalibrationError: as `reliability`.
    """
    return {
        name: reliability(
            router_scores,
            judged.strong_quality - judged.weak_quality,
            weights=judged.weights,
            confidence=confidence,
        )
        for name, router_scores in scores.items()
    }


def draw_reliabilities(panels: Mapping[str, Reliability], heading: Heading) -> Figure:
    """The plot: for each router the observed rates, and below them the histogram of its scores.

    Raises:
        UsageError: matplotlib is not installed.
    """
    columns = panels_per_row(len(panels))
    rows = -(-len(panels) // columns)
    with style():
        from matplotlib.ticker import MaxNLocator

        figure = new_figure(4.0 * rows)
        grid = figure.add_gridspec(2 * rows, columns, height_ratios=[3.0, 1.0] * rows)
        for index, (name, panel) in enumerate(panels.items()):
            row, column = divmod(index, columns)
            upper = figure.add_subplot(grid[2 * row, column])
            lower = figure.add_subplot(grid[2 * row + 1, column], sharex=upper)
            handles = _draw_panel(upper, lower, panel)
            errors = f"ECE {panel.calibration_error:.3f}, by chance {panel.by_chance:.3f}"
            words = f"{visible(name)}\n{errors}"
            upper.set_title(wrapped(words, 0.9 * WIDTH / columns), fontsize=9)
            if column == 0:
                upper.set_ylabel("observed strong win rate")
                lower.set_ylabel(f"{heading.unit}, %")
            lower.set_xlabel("strong win rate")
            # Narrow ranges have long labels.
            lower.xaxis.set_major_locator(MaxNLocator(6 // columns + 1, min_n_ticks=2))
        title(figure, heading.text("reliability of the win rates"))
        note = (
            "ECE: expected calibration error, the mean of |observed - score| over the bins.",
            "By chance: what it would be, on average, of win rates without any fault.",
        )
        legend_below(figure, handles[:1], handles[1:], note)
    return figure


def _draw_panel(upper: Axes, lower: Axes, panel: Reliability) -> list[Shown]:
    points = upper.errorbar(
        panel.score,
        panel.observed,
        # The interval holds the rate but for rounding.
        yerr=np.maximum(0, [panel.observed - panel.low, panel.high - panel.observed]),
        color=BLUE,
        marker="o",
        markersize=5,
        linestyle="none",
        elinewidth=1.2,
        capsize=2.5,
        label=f"observed, with {100 * panel.confidence:.4g} % interval",
    )
    draw_bars(lower, panel.histogram)
    low = min(float(panel.histogram.edges[0]), float(panel.score[0]))
    high = max(float(panel.histogram.edges[-1]), float(panel.score[-1]))
    if high - low > _WIDE:
        low, high = 0.0, 1.0
    # The ends are those of the axes: a line through two points has no others.
    (diagonal,) = upper.plot(
        [low, high],
        [low, high],
        color=GREY,
        linestyle=(0, (4, 2)),
        linewidth=1.2,
        label="observed = score",
    )
    margin = 0.03 * (high - low)
    upper.set_xlim(low - margin, high + margin)
    upper.set_ylim(-0.03, 1.03)
    upper.tick_params(labelbottom=False)
    return [points, diagonal]
