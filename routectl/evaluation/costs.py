"""What routing costs: the answers of a benchmark in US dollars, and what a router saves of them.

A router's cost follows the very prompts that it sends to the strong model, not only their share: if
those are the long ones, 30 % of the requests can be 60 % of the bill.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routectl.errors import InputError
from routectl.evaluation.benchmark import JudgedPair
from routectl.evaluation.metrics import Curve, cpt, quality_curve
from routectl.policy import meets, threshold_value
from routectl.prices import TYPICAL_ANSWER, ModelPrice, about_tokens, prices_of_pair, prices_within

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AnswerCosts:
    """What either model's answers cost. n rows."""

    strong: Floats
    """Shape (n,), US dollars of the strong model's answer to each prompt."""
    weak: Floats
    prices: tuple[ModelPrice, ModelPrice] | None
    """The strong and the weak model's; None: the costs are the benchmark's own."""
    answer_tokens: int | None
    """Tokens that each answer was taken to have; None: the costs are the benchmark's own."""


def answer_costs(
    judged: JudgedPair, own: Mapping[str, ModelPrice], answer_tokens: int = TYPICAL_ANSWER
) -> AnswerCosts:
    """What the answers cost: what the benchmark says, else prices times tokens.

    Input tokens are then a quarter of the prompt's characters. A price of one's own for either
    model goes before the benchmark's costs, for both: one kind of cost is not set beside another.

    Args:
        own: prices that go before the list's, as `prices.parse_prices` gives them.
        answer_tokens: of each answer, of either model; 0 or more.

    Raises:
        UsageError: the benchmark has no costs, and no price of one of the models is known.
        InputError: a cost of the benchmark is no finite number from 0 on.
    """
    models = (judged.pair.strong, judged.pair.weak)
    if (
        judged.strong_cost is not None
        and judged.weak_cost is not None
        and not prices_within(own, models)
    ):
        for model, costs in zip(models, (judged.strong_cost, judged.weak_cost), strict=True):
            bad = np.flatnonzero(~((costs >= 0) & (costs < math.inf)))
            if len(bad):
                raise InputError(
                    f"{judged.benchmark}: of the costs of {model}, {len(bad)} of {len(costs)} are "
                    f"no US dollars, the first in row {bad[0] + 1}"
                )
        return AnswerCosts(judged.strong_cost, judged.weak_cost, None, None)
    strong, weak = prices = prices_of_pair(judged.pair, own)
    tokens_in = [about_tokens(len(prompt)) for prompt in judged.prompts]
    tokens_out = [answer_tokens] * len(tokens_in)
    return AnswerCosts(
        strong.costs(tokens_in, tokens_out),
        weak.costs(tokens_in, tokens_out),
        prices,
        answer_tokens,
    )


@dataclass(frozen=True, slots=True)
class CostCurve:
    """The mean cost of a request at each achievable strong fraction.

    Its cuts are those of the router's `Curve`, and between two of them it is a straight line, too.
    """

    strong_fraction: Floats
    """Shape (cuts + 1,), ascending from 0 to 1."""
    cost: Floats
    """Shape (cuts + 1,): US dollars of a request, from always-weak's to always-strong's."""

    @property
    def always_weak(self) -> float:
        """US dollars of a request."""
        return float(self.cost[0])

    @property
    def always_strong(self) -> float:
        """US dollars of a request."""
        return float(self.cost[-1])

    def at(self, strong_fraction: float) -> float:
        """US dollars of a request, on average.

        Raises:
            InputError: a strong fraction outside [0, 1].
        """
        if not 0 <= strong_fraction <= 1:
            raise InputError(
                f"A strong fraction lies between 0 and 1, and {strong_fraction} does not."
            )
        return float(np.interp(strong_fraction, self.strong_fraction, self.cost))


def cost_curve(
    scores: ArrayLike, costs: AnswerCosts, weights: ArrayLike | None = None
) -> CostCurve:
    """What a router's scores cost at each cut.

    Scores that are all equal give random's line, from always-weak to always-strong.

    Args:
        scores: shape (n,), high = strong model.
        weights: shape (n,), as for `quality_curve`.

    Raises:
        InputError: as `quality_curve`.
    """
    curve = quality_curve(scores, costs.strong, costs.weak, weights)
    return CostCurve(curve.strong_fraction, curve.quality)


@dataclass(frozen=True, slots=True)
class Expense:
    """What routing costs at one point."""

    strong_fraction: float
    per_1000: float
    """US dollars of 1,000 requests."""
    saving: float | None
    """Always-strong's cost divided by this one: 2 is half the bill. Below 1 where the strong model
    is the cheaper one; None where this costs nothing."""

    @classmethod
    def of(cls, strong_fraction: float, cost: float, always_strong: float) -> Expense:
        """From US dollars of a request."""
        return cls(strong_fraction, 1000 * cost, always_strong / cost if cost > 0 else None)


def expense_at(curve: CostCurve, strong_fraction: float) -> Expense:
    """What a router costs at a strong fraction.

    Raises:
        InputError: a strong fraction outside [0, 1].
    """
    return Expense.of(strong_fraction, curve.at(strong_fraction), curve.always_strong)


def expense_at_cpt(quality: Curve, curve: CostCurve, recovered: float) -> Expense | None:
    """What a router costs at CPT(x); None where it is never reached.

    Args:
        quality: of the same scores.
        recovered: x, above 0: CPT(50%) is 0.5.

    Raises:
        InputError: as `metrics.cpt`.
    """
    found = cpt(quality, recovered)
    return None if found is None else expense_at(curve, found)


def expense_at_threshold(
    scores: ArrayLike, costs: AnswerCosts, threshold: str, weights: ArrayLike | None = None
) -> Expense:
    """What a router costs at a threshold.

    Args:
        scores: shape (n,).
        threshold: as a config string holds it; a row goes to the strong model iff its score is at
            least this.
        weights: shape (n,), as for `quality_curve`.
    """
    strong = meets(np.asarray(scores, dtype=np.float64), threshold_value(threshold))
    fraction, cost, always_strong = (
        float(np.average(values, weights=None if weights is None else np.asarray(weights)))
        for values in (strong, np.where(strong, costs.strong, costs.weak), costs.strong)
    )
    return Expense.of(fraction, cost, always_strong)
