"""Mean quality against cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from routectl.errors import InputError
from routectl.evaluation.benchmark import JudgedPair
from routectl.evaluation.metrics import Curve, quality_curve
from routectl.evaluation.router_results import ORACLE, RANDOM
from routectl.report.drawing import (
    Heading,
    legend_below,
    new_figure,
    number,
    percent,
    style,
    title,
)
from routectl.report.lines import (
    STRONG_END,
    WEAK_END,
    Y_LABEL,
    Floats,
    Line,
    Point,
    Threshold,
    draw_lines,
    draw_points,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PER = 1000
"""Costs are those of so many requests."""


class QualityCosts(NamedTuple):
    """Routers, baselines and thresholds on one benchmark; every x is USD per 1,000 requests."""

    routers: tuple[Line, ...]
    baselines: tuple[Line, ...]
    """Random, those that the caller gave, the oracle."""
    always_weak: Point
    always_strong: Point
    points: Mapping[str, Point]
    """By router, at its threshold."""


def quality_costs(
    judged: JudgedPair,
    scores: Mapping[str, Floats],
    *,
    baselines: Mapping[str, Floats] | None = None,
    thresholds: Mapping[str, Threshold] | None = None,
) -> QualityCosts:
    """The numbers of the plot: quality and cost at each cut.

    The oracle here is the best quality that any choice of models buys at a mean cost, see
    `cost_oracle`: asking the strong model where it gains most, as the oracle of strong fractions
    does, can be beaten where that answer is dear.

    Args:
        judged: n rows with costs; where they have weights, means are those of requests.
        scores, baselines, thresholds: as for `quality_curves`.

    Raises:
        InputError: the rows have no costs; or as `metrics.quality_curve`.
    """
    strong_cost, weak_cost = judged.strong_cost, judged.weak_cost
    if strong_cost is None or weak_cost is None:
        raise InputError(
            f"{judged.benchmark} holds no costs of {judged.pair}, so quality cannot be set "
            "against cost."
        )
    costs = strong_cost, weak_cost

    def curve(ranked: Floats) -> Curve:
        return quality_curve(
            ranked, judged.strong_quality, judged.weak_quality, judged.weights, costs=costs
        )

    def line(name: str, of: Curve) -> Line:
        return Line(name, PER * of.cost, of.quality)

    curves = {name: curve(router) for name, router in scores.items()}
    points = {}
    for name, threshold in (thresholds or {}).items():
        cut = curves[name].table.at(threshold.value)
        points[name] = _point(
            threshold.config,
            PER * float(curves[name].cost[cut]),
            float(curves[name].quality[cut]),
            f"{percent(float(curves[name].strong_fraction[cut]))} strong",
        )
    straight = line(RANDOM, curve(np.zeros(len(judged))))
    return QualityCosts(
        routers=tuple(line(name, of) for name, of in curves.items()),
        baselines=(
            straight,
            *(line(name, curve(baseline)) for name, baseline in (baselines or {}).items()),
            cost_oracle(judged, strong_cost, weak_cost),
        ),
        always_weak=_point(WEAK_END, float(straight.x[0]), float(straight.quality[0])),
        always_strong=_point(STRONG_END, float(straight.x[-1]), float(straight.quality[-1])),
        points=points,
    )


def _point(name: str, cost: float, quality: float, *more: str) -> Point:
    words = ", ".join((*more, f"{number(cost)} USD", f"quality {number(quality)}"))
    return Point(name, cost, quality, words)


def cost_oracle(judged: JudgedPair, strong_cost: Floats, weak_cost: Floats) -> Line:
    """The best mean quality at each mean cost, from the cheapest choice to the dearest.

    Each row begins with the cheaper of its two models. The dearer one is then asked in the order
    of what it gains for a dollar more: the greedy solution of the fractional knapsack problem,
    which is exact (Dantzig 1957).
    """
    cheap_is_weak = weak_cost <= strong_cost
    dearer = np.abs(strong_cost - weak_cost)
    gain = np.where(cheap_is_weak, 1.0, -1.0) * (judged.strong_quality - judged.weak_quality)
    order = np.argsort(-np.arctan2(gain, dearer), kind="stable")
    requests = np.ones(len(judged)) if judged.weights is None else judged.weights
    steps = (requests / requests.sum())[order]
    start = np.average(np.minimum(strong_cost, weak_cost), weights=requests)
    quality = np.average(
        np.where(cheap_is_weak, judged.weak_quality, judged.strong_quality), weights=requests
    )
    return Line(
        ORACLE,
        PER * np.concatenate(([start], start + np.cumsum(steps * dearer[order]))),
        np.concatenate(([quality], quality + np.cumsum(steps * gain[order]))),
    )


def draw_quality_costs(costs: QualityCosts, heading: Heading) -> Figure:
    """The plot.

    Raises:
        UsageError: matplotlib is not installed.
    """
    routers = costs.routers
    note = ("The oracle has the best quality that can be had at each cost.",)
    with style():
        figure = new_figure(4.1)
        axes = figure.add_subplot()
        left = draw_lines(axes, routers, costs.baselines)
        right = draw_points(axes, routers, costs.always_weak, costs.always_strong, costs.points)
        axes.set_xlabel(f"cost, USD per {PER:,} requests")
        axes.set_ylabel(Y_LABEL)
        title(figure, heading.text("mean quality by cost"))
        legend_below(figure, left, right, note)
    return figure
