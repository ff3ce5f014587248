"""Which cut meets a target, and the threshold that makes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routectl.calibration.cut_table import CutTable
from routectl.calibration.decimals import shortest_decimal

RESOLUTION = 0.001
"""Cuts whose shares are within 0.1 point of the nearest one are equally good."""

ROUNDING = 1e-9
"""Shares closer than this are equal: sums of a million unequal weights round by less, and it
is a thousandth of a request in a million."""


@dataclass(frozen=True, slots=True)
class Tie:
    """Requests with one score that keep the target out of reach."""

    score: float
    requests: float
    """How many, in the unit of the weights."""
    share_below: float
    """The achievable shares on both sides of the target."""
    share_above: float


def pick(table: CutTable, target: float, *, at_most: bool = False) -> int:
    """The index of the cut to take for a target strong fraction.

    It is the cut whose share is nearest the target (with `at_most`, the nearest that is not
    above it; of two equally near, the lower share). Cuts within 0.1 point of that one are
    equally good, and among them the widest gap is taken, because a score that changes a
    little between machines is least likely to cross it. The two ends of the table (as few
    strong requests as can be, all of them) are taken only when they are themselves the
    nearest, and are then kept: nobody who asks for 0.05 % means never.

    Where no share is at most the target (a score equals 1.0), the lowest share is taken.

    Args:
        target: in [0, 1].
    """
    share = table.share
    eligible = share <= target + ROUNDING if at_most else np.ones(len(table), dtype=np.bool_)
    eligible[0] = True
    distance = np.where(eligible, np.abs(share - target), np.inf)
    nearest = int(np.flatnonzero(distance <= distance.min() + ROUNDING)[0])
    last = len(table) - 1
    if nearest in (0, last):
        return nearest
    equally_good = eligible & (np.abs(share - share[nearest]) <= RESOLUTION + ROUNDING)
    equally_good[[0, last]] = False
    candidates = np.flatnonzero(equally_good)
    width = table.upper[candidates] - table.lower[candidates]
    widest = candidates[width >= width.max() * (1 - 1e-9)]
    return int(widest[np.argmin(distance[widest])])


def threshold_text(table: CutTable, index: int, target: float, noise: float) -> str:
    """The decimal that makes this cut.

    A target of 1 means always and a target of 0 means never, for scores not yet seen too, so
    they get "0.0" and "1.0" where the cut allows it. Otherwise it is the shortest decimal
    inside the gap that is further than the noise from both of its scores, if the gap is that
    wide; if it is not, the shortest that makes the cut.

    Args:
        target: the strong fraction that was asked for.
        noise: the largest difference between two scores of one prompt.
    """
    lower, upper = float(table.lower[index]), float(table.upper[index])
    if target == 1.0 and lower < 0.0:
        return "0.0"
    if target == 0.0 and table.share[index] == 0.0:
        return "1.0"
    # The bounds 0 and 1 of the first and last gap are no scores: nothing can cross them.
    inner_lower = lower if lower < 0.0 else lower + noise
    inner_upper = upper if table.share[index] == 0.0 else float(np.nextafter(upper - noise, -1.0))
    if inner_lower < inner_upper:
        return shortest_decimal(inner_lower, inner_upper)
    return shortest_decimal(lower, upper)


def tie_at(table: CutTable, target: float, largest_weight: float) -> Tie | None:
    """The tie that keeps the target out of reach, if one does.

    A target between two requests is missed by at most half a request, and the cut is only
    chosen to 0.1 point; what is missed by more than both is missed because of a tie.

    Args:
        target: in [0, 1].
        largest_weight: the largest weight of a single request.
    """
    above = int(np.searchsorted(table.share, target))
    if above in (0, len(table)):
        return None
    low, high = float(table.share[above - 1]), float(table.share[above])
    half_a_request = largest_weight / float(table.requests[-1]) / 2
    if min(target - low, high - target) <= max(RESOLUTION, half_a_request) + ROUNDING:
        return None
    return Tie(
        score=float(table.upper[above]),
        requests=float(table.requests[above] - table.requests[above - 1]),
        share_below=low,
        share_above=high,
    )
