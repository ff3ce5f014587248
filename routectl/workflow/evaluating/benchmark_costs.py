"""What routers cost on a benchmark, and what they save."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from routectl.errors import UsageError
from routectl.evaluation.benchmark import JudgedPair
from routectl.prices import CURRENCY, ModelPrice
from routectl.workflow.reporter import Reporter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from routectl.evaluation.bootstrap import Estimate
    from routectl.evaluation.costs import AnswerCosts, Expense
    from routectl.evaluation.router_results import OperatingPoint, RouterResults

RECOVERED = (0.5, 0.8)
"""Shares of the gap: those of the paper's Table 6."""


@dataclass(frozen=True, slots=True)
class RouterCosts:
    """One router, or one baseline."""

    at_cpt: Mapping[float, Expense | None]
    """By share of the gap; None where it is never recovered."""
    saving: Mapping[float, Estimate | None]
    """The same: always-strong's cost over this one's; None where there is no interval, see
    `of_random`."""
    strong_calls: Mapping[float, Estimate | None]
    """Random's strong calls over this one's: the paper's Table 6."""
    at_threshold: Mapping[str, Expense]
    """By route: what its active calibration costs here."""

    def to_json(self) -> dict[str, object]:
        """As plain JSON values."""
        at_cpt: dict[str, object] = {
            f"CPT({100 * x:g}%)": {
                "expense": expense and asdict(expense),
                "saving": (saving := self.saving[x]) and saving.to_json(),
                "strong_calls": (calls := self.strong_calls[x]) and calls.to_json(),
            }
            for x, expense in self.at_cpt.items()
        }
        return at_cpt | {"routes": {r: asdict(e) for r, e in self.at_threshold.items()}}


@dataclass(frozen=True, slots=True)
class BenchmarkCosts:
    """What a benchmark's answers cost, and what that means for routers."""

    answers: AnswerCosts
    always_strong: float
    """US dollars of 1,000 requests."""
    always_weak: float
    routers: Mapping[str, RouterCosts]
    """By name, the baselines length and random among them."""

    def to_json(self) -> dict[str, object]:
        """As plain JSON values, without the single answers'."""
        return {
            "currency": CURRENCY,
            "prices": self.answers.prices and [price.to_json() for price in self.answers.prices],
            "answer_tokens": self.answers.answer_tokens,
            "always_strong_per_1000": self.always_strong,
            "always_weak_per_1000": self.always_weak,
        }


def known_costs(
    judged: JudgedPair, own: Mapping[str, ModelPrice], answer_tokens: int, reporter: Reporter
) -> AnswerCosts | None:
    """What the answers cost; None, with a note, where no price is known.

    Raises:
        UsageError: `own` prices one of the two models, and no price of the other is known.
    """
    from routectl.evaluation.costs import answer_costs
    from routectl.prices import prices_within

    try:
        return answer_costs(judged, own, answer_tokens)
    except UsageError as error:
        if prices_within(own, (judged.pair.strong, judged.pair.weak)):
            raise
        reporter.note(f"{judged.benchmark} is judged without costs: {error}")
        return None


def compute_costs(
    answers: AnswerCosts,
    judged: JudgedPair,
    scores: Mapping[str, NDArray[np.float64]],
    results: RouterResults,
    points: Mapping[str, Mapping[str, OperatingPoint]],
) -> BenchmarkCosts:
    """What each router costs where it recovers half and four fifths of the gap, and as it runs.

    Args:
        scores: by name, shape (n,).
        points: by name and route.
    """
    from routectl.evaluation.costs import expense_at, expense_at_cpt, expense_at_threshold
    from routectl.evaluation.metrics import Curve, quality_curve
    from routectl.evaluation.router_results import RANDOM
    from routectl.evaluation.savings import savings, strong_calls_saving

    def curve_of(ranked: ArrayLike) -> Curve:
        return quality_curve(
            ranked, judged.strong_quality, judged.weak_quality, judged.weights, costs=answers.both
        )

    asked = RECOVERED if results.gap > 0 else ()
    saved = savings(
        scores,
        judged,
        answers,
        recovered=asked,
        draws=results.draws,
        seed=results.seed,
        confidence=results.confidence,
    )
    figures = {result.name: result.figures for result in results.routers}
    routers = {}
    for name, router_scores in scores.items():
        curve = curve_of(router_scores)
        calls = {x: figures[name][f"CPT({100 * x:g}%)"] for x in asked}
        routers[name] = RouterCosts(
            at_cpt={x: expense_at_cpt(curve, x) for x in asked},
            saving=saved[name],
            strong_calls={x: e and strong_calls_saving(x, e) for x, e in calls.items()},
            at_threshold={
                route: expense_at_threshold(curve, point.threshold)
                for route, point in points.get(name, {}).items()
            },
        )
    random = curve_of([0.0] * len(judged))
    routers[RANDOM] = RouterCosts(
        at_cpt={x: expense_at(random, x) for x in asked},
        saving=dict.fromkeys(asked),
        strong_calls=dict.fromkeys(asked),
        at_threshold={},
    )
    return BenchmarkCosts(
        answers,
        always_strong=1000 * float(random.cost[-1]),
        always_weak=1000 * float(random.cost[0]),
        routers=routers,
    )
