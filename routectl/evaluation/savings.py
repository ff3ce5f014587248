"""How sure a saving is: against always-strong in money, and against random in strong calls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routectl.errors import InputError
from routectl.evaluation.benchmark import JudgedPair
from routectl.evaluation.bootstrap import Estimate, percentiles
from routectl.evaluation.costs import AnswerCosts, cost_curve, expense_at_cpt
from routectl.evaluation.metrics import Curve, checked, cpt, quality_curve, without_rounding
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

    A draw of prompts has costs of its own beside its CPT. The draws are those of `bootstrap` with
    the same seed, on the same rows.

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
    ranked = {name: _Ranked.of(given, judged, costs) for name, given in scores.items()}
    drawn: dict[tuple[str, float], list[float]] = {(n, x): [] for n in scores for x in recovered}
    for counts in drawn_counts(len(judged), draws, seed, judged.strata):
        weighted = counts.astype(np.float64) if weights is None else counts * weights
        bills = weighted @ costs.strong, weighted @ costs.weak
        for name, router in ranked.items():
            for curve, added, strong, weak in zip(*router.curves(weighted), *bills, strict=True):
                for x in recovered:
                    drawn[name, x].append(_saving(curve, added, strong, weak, x))
    found: dict[str, dict[float, Estimate]] = {}
    for name, given in scores.items():
        quality = quality_curve(given, judged.strong_quality, judged.weak_quality, weights)
        spent = cost_curve(given, costs, weights)
        found[name] = {}
        for x in recovered:
            expense = expense_at_cpt(quality, spent, x)
            interval = percentiles(np.array(drawn[name, x]), confidence)
            found[name][x] = Estimate(None if expense is None else expense.saving, *interval)
    return found


def _saving(curve: Curve, added: Floats, strong: float, weak: float, recovered: float) -> float:
    """Of one draw: NaN without a gap or a cost, 0 where CPT is never reached."""
    if not curve.gap > 0:
        return math.nan
    found = cpt(curve, recovered)
    if found is None:
        return 0.0
    cost = weak + float(np.interp(found, curve.strong_fraction, added))
    return strong / cost if cost > 0 else math.nan


@dataclass(frozen=True, slots=True)
class _Ranked:
    """Rows from the highest score to the lowest. G groups of equal scores."""

    order: NDArray[np.int64]
    """Shape (n,)."""
    last: NDArray[np.int64]
    """Shape (G,): where in `order` each group ends."""
    gain: Floats
    """Shape (n,), in that order: quality of the strong answer less the weak one's."""
    extra: Floats
    """The same of the costs."""

    @classmethod
    def of(cls, scores: ArrayLike, judged: JudgedPair, costs: AnswerCosts) -> _Ranked:
        ranked, strong, weak = checked(scores, judged.strong_quality, judged.weak_quality)
        order = np.argsort(-ranked, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(ranked[order])), len(ranked) - 1)
        return cls(order, ends, (strong - weak)[order], (costs.strong - costs.weak)[order])

    def curves(self, weighted: Floats) -> tuple[list[Curve], Floats]:
        """Each draw's curve, in sums instead of means, and its added costs, (draws, G + 1)."""
        ordered = weighted[:, self.order]
        above, gained, added = (
            self._above(values) for values in (ordered, ordered * self.gain, ordered * self.extra)
        )
        gained[:, -1] = without_rounding(gained[:, -1], ordered @ np.abs(self.gain))
        shares = above / above[:, -1:]
        return [Curve(s, g, 0.0) for s, g in zip(shares, gained, strict=True)], added

    def _above(self, values: Floats) -> Floats:
        above = np.zeros((len(values), len(self.last) + 1))
        above[:, 1:] = np.cumsum(values, axis=1)[:, self.last]
        return above
