"""Is a router better than random on prompts that were judged: yes, no, or can't tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from numpy.typing import ArrayLike

from routectl.evaluation.benchmark import JudgedPair
from routectl.evaluation.bootstrap import (
    METRICS,
    RANDOM_APGR,
    BetterThanRandom,
    Estimate,
    better_than_random,
    bootstrap,
)
from routectl.evaluation.metrics import APGR, AUC, GAP

Gap = Literal["shown", "not shown", "reversed"]
"""Whether the prompts show that the strong model is the better one: the interval of the difference
in mean quality lies above 0, includes it, or lies below it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What judged prompts say of one router."""

    better_than_random: BetterThanRandom
    """Without a gap that is shown, "can't tell": there is nothing to recover, and nothing is
    divided by it. Where the weak model is the better one, "no": random is already too much."""
    gap_is: Gap
    gap: Estimate
    """Mean quality of the strong model less the weak one's."""
    figures: Mapping[str, Estimate | None]
    """By metric, "APGR" or "CPT(50%)"; None where no gap is shown and the metric needs one."""
    needed: int | None
    """About how many prompts would tell, where these can't; None where that cannot be said."""


def answers(
    scores: Mapping[str, ArrayLike],
    judged: JudgedPair,
    *,
    draws: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, Answer]:
    """The answer for each router, all on the same draws.

    Args:
        scores: by router, shape (n,), in the order of the judged rows.
        judged: with weights and strata where the rows were drawn so.

    Raises:
        InputError: as `bootstrap`.
    """
    sampled = bootstrap(
        scores,
        judged.strong_quality,
        judged.weak_quality,
        weights=judged.weights,
        strata=judged.strata,
        metrics=(GAP, *METRICS),
        draws=draws,
        seed=seed,
    )
    rows = len(judged)
    given = {}
    for name in scores:
        gap = sampled.estimate(name, GAP, confidence)
        shown = _shown(gap)
        figures = {
            str(metric): sampled.estimate(name, metric, confidence)
            if shown == "shown" or metric == AUC
            else None
            for metric in METRICS
        }
        figure = figures[str(APGR)]
        if figure is None:
            answer: BetterThanRandom = "no" if shown == "reversed" else "can't tell"
            needed = prompts_needed(gap, 0.0, rows) if shown == "not shown" else None
        else:
            answer = better_than_random(figure)
            undecided = answer == "can't tell"
            needed = prompts_needed(figure, RANDOM_APGR, rows) if undecided else None
        given[name] = Answer(answer, shown, gap, figures, needed)
    return given


def _shown(gap: Estimate) -> Gap:
    if gap.low > 0:
        return "shown"
    return "reversed" if gap.high < 0 else "not shown"


def prompts_needed(estimate: Estimate, null: float, rows: int) -> int | None:
    """About how many rows it takes until the interval leaves out a value, to two digits.

    An interval narrows with the root of the rows: one whose end lies h from the estimate, on the
    side of a value that lies d from it, needs (h / d)² times as many. That takes the estimate for
    the truth, so it is rough.

    Returns:
        None where the estimate is the value, or the interval has no end on its side.
    """
    if estimate.value is None or estimate.value == null:
        return None
    above = estimate.value > null
    distance = abs(estimate.value - null)
    half = estimate.value - estimate.low if above else estimate.high - estimate.value
    if not math.isfinite(half) or half <= 0:
        return None
    exact = max(rows + 1, rows * (half / distance) ** 2)
    if not math.isfinite(exact):
        return None
    unit: int = 10 ** max(0, math.floor(math.log10(exact)) - 1)
    return math.ceil(exact / unit) * unit
