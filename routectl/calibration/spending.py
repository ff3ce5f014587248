"""What a threshold costs, where it is known what either model would take for each request."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routectl.calibration.sample import Booleans, Floats


@dataclass(frozen=True, slots=True)
class Spending:
    """US dollars per 1,000 requests, over those whose cost with either model is known."""

    this_threshold: float
    random: float
    """Drawn blindly, with the strong fraction of the threshold."""
    always_strong: float
    always_weak: float
    known: float
    """Weighted share of the requests whose cost is known."""


def spending(
    strong_cost: Floats, weak_cost: Floats, weights: Floats, strong: Booleans
) -> Spending | None:
    """What the requests cost if each is answered by the model that it goes to.

    Args:
        strong_cost: US dollars of each request with the strong model, float64[n], NaN if unknown.
        weak_cost: the same with the weak model.
        weights: float64[n], above 0.
        strong: bool[n], whether the threshold sends it to the strong model.

    Returns:
        None where no request's cost is known.
    """
    known = np.isfinite(strong_cost) & np.isfinite(weak_cost)
    if not known.any():
        return None
    routed, always_strong, always_weak = (
        1000 * float(np.average(cost[known], weights=weights[known]))
        for cost in (np.where(strong, strong_cost, weak_cost), strong_cost, weak_cost)
    )
    fraction = float(weights[strong].sum() / weights.sum())
    return Spending(
        this_threshold=routed,
        random=fraction * always_strong + (1 - fraction) * always_weak,
        always_strong=always_strong,
        always_weak=always_weak,
        known=float(weights[known].sum() / weights.sum()),
    )
