"""How sure a saving is: against always-strong in money, and against random in strong calls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routectl.errors import InputError
from routectl.evaluation.benchmark import JudgedPair
from routectl.evaluation.bootstrap import Estimate, Ranked, crossing, interpolate, percentiles
from routectl.evaluation.costs import AnswerCosts, expense_at_cpt
from routectl.evaluation.metrics import ROUNDING, quality_curve
from routectl.evaluation.resampling import drawn_counts

Floats = NDArray[np.float64]


def strong_calls_saving(recovered: float, router: Estimate) -> Estimate:
    """Random's CPT(x) divided by the router's: RouteLLM's "cost saving ratio" (Table 6).

    It counts strong calls, not money, and against random, not against always-strong. Random's
    CPT(x) is x exactly, see `metrics.random_curve`; the paper divides by that of random draws.
    Since it falls as CPT rises, its interval is that of CPT turned round.

    Args:
        recovered: x, above 0.
        router: its CPT(x), as `Bootstrap.estimate` gives it.

    Returns:
        A ratio; its value is None, and its lower end 0, where CPT(x) is never reached.
    """
    value = None if router.value is None else recovered / router.value
    if router.low == -math.inf:
        return Estimate(value, -math.inf, math.inf)
    return Estimate(value, recovered / router.high, recovered / router.low)


def savings(
    scores: Mapping[str, ArrayLike],
    judged: JudgedPair,
    costs: AnswerCosts,
    *,
    recovered: Sequence[float] = (0.5, 0.8),
    draws: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, dict[float, Estimate]]:
    """The saving against always-strong at CPT(x), with its interval.

    A draw of prompts has a CPT and costs of its own. The draws are those of `bootstrap` with the
    same seed, on the same rows.

    Args:
        scores: by router, shape (n,).
        recovered: each x, above 0.
        draws: at least 1.
        confidence: in (0, 1).

    Returns:
        By router and x, a ratio as `Expense.saving`. The value is None where CPT(x) is never
        reached or costs nothing; draws in which it is never reached count as 0, below every saving.
        The interval is unbounded where the prompts do not show a gap, see `Bootstrap.estimate`.

    Raises:
        InputError: as `quality_curve` and `metrics.cpt`; or no draws.
    """
    if draws < 1:
        raise InputError(f"A bootstrap takes at least one draw, and {draws} was asked for.")
    weights = judged.weights
    quality = judged.strong_quality, judged.weak_quality
    ranked = {name: Ranked.of(router, *quality) for name, router in scores.items()}
    added_costs = {
        name: router.ranking.ordered(costs.strong - costs.weak) for name, router in ranked.items()
    }
    drawn: dict[tuple[str, float], list[Floats]] = {(n, x): [] for n in scores for x in recovered}
    for counts in drawn_counts(len(judged), draws, seed, judged.strata):
        weighted = counts.astype(np.float64) if weights is None else counts * weights
        bills = weighted @ costs.strong, weighted @ costs.weak
        for name, router in ranked.items():
            ordered = router.ranking.ordered(weighted)
            above, gained = router.sums(ordered)
            added = router.ranking.moved(ordered * added_costs[name])
            for x in recovered:
                drawn[name, x].append(_savings(above, gained, added, *bills, x))
    estimates: dict[str, dict[float, Estimate]] = {}
    for name, router_scores in scores.items():
        curve = quality_curve(router_scores, *quality, weights, costs=costs.both)
        estimates[name] = {}
        for x in recovered:
            expense = expense_at_cpt(curve, x)
            interval = percentiles(np.concatenate(drawn[name, x]), confidence)
            estimates[name][x] = Estimate(None if expense is None else expense.saving, *interval)
    return estimates


def _savings(
    above: Floats, gained: Floats, added: Floats, strong: Floats, weak: Floats, recovered: float
) -> Floats:
    """Of each draw, shape (draws,): NaN without a gap or a cost, 0 where CPT is never reached.

    Args:
        above, gained, added: requests, quality and cost above each cut, shape (draws, G + 1).
        strong, weak: what either model alone costs, shape (draws,).
    """
    gap = gained[:, -1]
    at = crossing(above, gained, recovered * gap, ROUNDING * gap)
    is_reached = np.isfinite(at)
    cost = weak + interpolate(above, added, np.where(is_reached, at, 0.0))
    saving = np.divide(strong, cost, out=np.full(len(gap), math.nan), where=cost > 0)
    return np.where(gap > 0, np.where(is_reached, saving, 0.0), math.nan)
