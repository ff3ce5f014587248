"""What routing costs: the answers of a benchmark in US dollars, and what a router saves of them.

A router's cost follows the very prompts that it sends to the strong model, not only their share: if
those are the long ones, 30 % of the requests can be 60 % of the bill.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routectl.errors import InputError
from routectl.evaluation.benchmark import JudgedPair
from routectl.evaluation.metrics import Curve, cpt
from routectl.policy import threshold_value
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

    @property
    def both(self) -> tuple[Floats, Floats]:
        """The strong and the weak model's costs, as `quality_curve` takes them."""
        return self.strong, self.weak


def answer_costs(
    judged: JudgedPair, own: Mapping[str, ModelPrice], answer_tokens: int = TYPICAL_ANSWER
) -> AnswerCosts:
    """What the answers cost: what the benchmark says, else prices times tokens.

    Input tokens are then a quarter of the prompt's characters. A price of one's own for either
    model goes before the benchmark's costs, for both: costs of two sources are not compared.

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


def expense_at(curve: Curve, strong_fraction: float) -> Expense:
    """What a router costs at a strong fraction.

    Between two cuts that is a straight line, as the curve is.

    Args:
        curve: made with costs.

    Raises:
        InputError: a strong fraction outside [0, 1].
    """
    if not 0 <= strong_fraction <= 1:
        raise InputError(f"A strong fraction lies between 0 and 1, and {strong_fraction} does not.")
    cost = curve.cost
    at = float(np.interp(strong_fraction, curve.strong_fraction, cost))
    return Expense.of(strong_fraction, at, float(cost[-1]))


def expense_at_cpt(curve: Curve, recovered: float) -> Expense | None:
    """What a router costs at CPT(x); None where it is never reached.

    Args:
        curve: made with costs.
        recovered: x, above 0: CPT(50%) is 0.5.

    Raises:
        InputError: as `metrics.cpt`.
    """
    strong_fraction = cpt(curve, recovered)
    return None if strong_fraction is None else expense_at(curve, strong_fraction)


def expense_at_threshold(curve: Curve, threshold: str) -> Expense:
    """What a router costs at a threshold.

    Args:
        curve: made with costs.
        threshold: as a config string holds it; a row goes to the strong model iff its score is at
            least this.
    """
    cut, cost = curve.table.at(threshold_value(threshold)), curve.cost
    return Expense.of(float(curve.strong_fraction[cut]), float(cost[cut]), float(cost[-1]))
