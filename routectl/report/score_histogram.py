"""The strong win rates of prompts, and where a threshold cuts them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from routectl.calibration.sample import check_win_rates
from routectl.escaping import visible
from routectl.evaluation.benchmark import JudgedPair
from routectl.policy import meets
from routectl.report.drawing import (
    BLUE,
    ORANGE,
    WIDTH,
    Heading,
    legend_below,
    new_figure,
    percent,
    style,
    title,
    wrapped,
)
from routectl.report.lines import Threshold

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

MOST_BINS, FEWEST_BINS = 40, 10
OUTCOMES = {"strong better": 1, "equal": 0, "weak better": -1}
"""What is drawn from the bottom to the top, and the sign of the quality that strong gains."""
_LOOKS = {"strong better": (BLUE, ""), "equal": ("0.82", ""), "weak better": (ORANGE, "////")}
"""Colour and hatching."""
_BULK = 0.01
"""The share of requests on either side that must not squeeze all others into a few bins."""
_SAME = 1e-9
"""Scores that differ by less are drawn as one bar."""


class ScoreHistogram(NamedTuple):
    """The distribution of the requests' scores. b bins."""

    edges: Floats
    """Shape (b + 1,), ascending. A bin holds its lower edge and not its upper one, but the last
    bin. A threshold within the picture is an edge, so no bin lies on both sides of it."""
    share: Floats
    """Shape (b,): of all requests."""
    by_outcome: Mapping[str, Floats]
    """The same, split by which answer was the better one; empty where that is not known."""
    below: float
    """Share of the requests whose scores lie below the first edge."""
    above: float
    """And above the last one."""
    threshold: Threshold | None
    strong_fraction: float | None
    """Share at or above the threshold, whether the picture holds them or not."""


def score_histogram(
    scores: Floats,
    *,
    weights: Floats | None = None,
    strong_gain: Floats | None = None,
    threshold: Threshold | None = None,
) -> ScoreHistogram:
    """The numbers of one router's panel.

    The bins span the scores, or where a few lie far out the bulk of them, however narrow that is;
    with a threshold nearby, that too.

    Args:
        scores: strong win rates, shape (n,), in [0, 1].
        weights: shape (n,), above 0: how many requests a row stands for; None: one.
        strong_gain: shape (n,), strong quality less weak quality, where it is known.

    Raises:
        CalibrationError: a score is no strong win rate, or there is none.
    """
    check_win_rates(scores)
    row_shares = np.ones(len(scores)) if weights is None else np.asarray(weights, dtype=np.float64)
    row_shares = row_shares / row_shares.sum()
    bins = int(np.clip(2 * np.sqrt(len(scores)), FEWEST_BINS, MOST_BINS))
    edges = _edges(
        *_range(scores, row_shares), None if threshold is None else threshold.value, bins
    )

    def shares(rows: NDArray[np.bool_]) -> Floats:
        return np.histogram(scores[rows], edges, weights=row_shares[rows])[0]

    everything = np.ones(len(scores), dtype=np.bool_)
    return ScoreHistogram(
        edges=edges,
        share=shares(everything),
        by_outcome={}
        if strong_gain is None
        else {name: shares(np.sign(strong_gain) == sign) for name, sign in OUTCOMES.items()},
        below=float(row_shares[scores < edges[0]].sum()),
        above=float(row_shares[scores > edges[-1]].sum()),
        threshold=threshold,
        strong_fraction=None
        if threshold is None
        else float(row_shares[meets(scores, threshold.value)].sum() / row_shares.sum()),
    )


def _range(scores: Floats, shares: Floats) -> tuple[float, float]:
    """The scores that are shown: all, or the bulk and half its width on either side."""
    order = np.argsort(scores)
    ordered, up_to = scores[order], np.cumsum(shares[order])
    last = len(scores) - 1
    first_of_bulk, last_of_bulk = (
        float(ordered[min(int(np.searchsorted(up_to, share)), last)])
        for share in (_BULK, 1 - _BULK)
    )
    lowest, highest = float(ordered[0]), float(ordered[-1])
    around = (last_of_bulk - first_of_bulk) / 2
    if around > 0:
        lowest = max(lowest, first_of_bulk - around)
        highest = min(highest, last_of_bulk + around)
    if highest - lowest < _SAME:
        lowest, highest = max(0.0, lowest - 0.05), min(1.0, highest + 0.05)
    return lowest, highest


def _edges(low: float, high: float, threshold: float | None, bins: int) -> Floats:
    """The bins' edges: they reach to a threshold that is no farther off than the range is wide."""
    span = high - low
    if threshold is None or not low - span <= threshold <= high + span:
        return np.linspace(low, high, bins + 1)
    low, high = min(low, threshold), max(high, threshold)
    width = (high - low) / bins
    # The highest score may be the threshold itself, and belongs to the right of it.
    left, right = np.ceil((threshold - low) / width), np.floor((high - threshold) / width) + 1
    edges = threshold + width * np.arange(-left, right + 1)
    edges[0] = min(edges[0], low)
    return edges


def score_histograms(
    judged: JudgedPair,
    scores: Mapping[str, Floats],
    thresholds: Mapping[str, Threshold] | None = None,
) -> dict[str, ScoreHistogram]:
    """The numbers of the plot: a panel for each router, split by which answer was better.

    Args:
        scores: by router, shape (n,).
        thresholds: by router.

    Raises:
        CalibrationError: as `score_histogram`.
    """
    return {
        name: score_histogram(
            router_scores,
            weights=judged.weights,
            strong_gain=judged.strong_quality - judged.weak_quality,
            threshold=(thresholds or {}).get(name),
        )
        for name, router_scores in scores.items()
    }


def draw_score_histograms(histograms: Mapping[str, ScoreHistogram], heading: Heading) -> Figure:
    """The plot: a panel for each router, each with its own range of scores.

    Raises:
        UsageError: matplotlib is not installed.
    """
    split = any(histogram.by_outcome for histogram in histograms.values())
    cut = any(histogram.threshold for histogram in histograms.values())
    left: list[Artist] = []
    right: list[Artist] = []
    with style():
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        if split:
            left = [
                Patch(label=name, facecolor=colour, hatch=hatch, edgecolor="white", linewidth=0)
                for name, (colour, hatch) in _LOOKS.items()
            ]
        if cut:
            right = [Line2D([], [], color="black", linestyle=(0, (4, 1.5)), label="threshold")]
        figure = new_figure(2.1 * len(histograms))
        panels = figure.subplots(len(histograms), 1, squeeze=False)[:, 0]
        for axes, (name, histogram) in zip(panels, histograms.items(), strict=True):
            draw_bars(axes, histogram)
            _draw_threshold(axes, histogram)
            axes.set_title(wrapped(_panel_title(name, histogram), 0.9 * WIDTH))
            axes.set_ylabel(f"share of {heading.unit}, %")
        own = " (each panel has its own range)" if len(histograms) > 1 else ""
        panels[-1].set_xlabel(f"strong win rate{own}")
        title(figure, heading.text("strong win rates"))
        if left or right:
            legend_below(figure, left, right)
    return figure


def draw_bars(axes: Axes, histogram: ScoreHistogram) -> None:
    """The bars alone, in percent of all requests."""
    from matplotlib.ticker import MaxNLocator

    parts = histogram.by_outcome or {"": histogram.share}
    base = np.zeros(len(histogram.share))
    for name, share in parts.items():
        colour, hatch = _LOOKS.get(name, (BLUE, ""))
        axes.bar(
            histogram.edges[:-1],
            100 * share,
            width=np.diff(histogram.edges),
            bottom=100 * base,
            align="edge",
            linewidth=0,
            edgecolor="white",
            facecolor=colour,
            hatch=hatch,
        )
        base = base + share
    axes.set_ylim(0, 108 * max(float(base.max()), 0.01))
    # An edge that keeps its distance to the threshold may lie below 0, where no score is.
    axes.set_xlim(max(0.0, histogram.edges[0]), histogram.edges[-1])
    # Narrow ranges have long labels.
    axes.xaxis.set_major_locator(MaxNLocator(6, min_n_ticks=2))


def _draw_threshold(axes: Axes, histogram: ScoreHistogram) -> None:
    threshold = histogram.threshold
    if threshold and histogram.edges[0] <= threshold.value <= histogram.edges[-1]:
        axes.axvline(
            threshold.value,
            color="black",
            linestyle=(0, (4, 1.5)),
            linewidth=1.3,
            clip_on=False,
        )


def _panel_title(name: str, histogram: ScoreHistogram) -> str:
    words = []
    if histogram.threshold is not None and histogram.strong_fraction is not None:
        share = histogram.strong_fraction
        words.append(
            f"{histogram.threshold.config}: {percent(1 - share)} weak | {percent(share)} strong"
        )
        if not histogram.edges[0] <= histogram.threshold.value <= histogram.edges[-1]:
            words.append("the threshold lies outside the picture")
    outside = [
        f"{percent(share)} {where}"
        for share, where in ((histogram.below, "below"), (histogram.above, "above"))
        if share > 0
    ]
    if outside:
        words.append(f"not shown: {', '.join(outside)}")
    return "\n".join((visible(name), *words))
