"""One cut of a table, as plain values: the threshold that makes it, and what it achieves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from routectl.calibration.cut_table import RESOLUTION, ROUNDING, CutTable
from routectl.calibration.decimals import shortest_decimal
from routectl.calibration.loss import CutLoss


@dataclass(frozen=True, slots=True)
class Tie:
    """Requests with one score that keep a share out of reach."""

    score: float
    requests: float
    """How many, in the unit of the weights."""
    share_below: float
    """The achievable shares on both sides of the one that was asked for."""
    share_above: float


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A share nearer to the target, not taken because another cut has a wider gap."""

    share: float
    gap: float
    """Between the two scores that its threshold would lie between."""
    within_noise: bool
    """The router's noise can carry a score from one side of such a threshold to the other."""


@dataclass(frozen=True, slots=True)
class Spending:
    """US dollars per 1,000 requests, over those whose cost with either model is known."""

    this_threshold: float
    random: float
    """Drawn blindly, with the strong fraction of the threshold."""
    always_strong: float
    always_weak: float
    known_share: float
    """Weighted share of the requests whose cost is known."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A split of the requests and the threshold that makes it. Plain values; `asdict` gives JSON.

    Shares are weighted.
    """

    threshold: str
    """Exactly the text to export: a request goes to the strong model iff score >= threshold."""
    gap_lower: float
    """Every threshold above this and up to `gap_upper` splits the sample alike. The gap of an
    all-strong cut starts at 0 and contains it."""
    gap_upper: float
    strong_fraction: float
    """Share of the requests that goes to the strong model."""
    next_share_below: float | None
    """The achievable shares next to it; None at the ends."""
    next_share_above: float | None
    token_share: float | None
    """Share of the tokens that goes to the strong model; None where no tokens are known."""
    tokens_known: float
    """Share of the requests whose tokens are known."""
    spend_share: float | None
    """The same for what the proxy booked."""
    spend_known: float
    spending: Spending | None
    """None where of no request the cost with both models is known."""
    tie: Tie | None = None
    """The tie that keeps the target out of reach, if one does."""
    lowest_share: float | None = None
    """The lowest share that any threshold up to 1 achieves, where the target is below it because
    scores equal 1.0; else None."""
    passed_over: PassedOver | None = None
    """The share nearest the target, where another cut within 0.1 point of it was taken."""
    guaranteed: float | None = None
    """What the long-run share is not above, with the confidence that the target asks for; None
    where it asks for none."""
    affordable_share: float | None = None
    """The strong fraction that a budget pays for, were no scores tied; None without a budget."""
    loss: CutLoss | None = None
    """What it loses of always-strong's quality, where the target asks for that; else None."""

    @classmethod
    def of(cls, table: CutTable, index: int, threshold: str) -> Cut:
        """A row of the table, with the text of a threshold that makes it."""
        tokens, booked = table.tokens, table.booked_cost
        return cls(
            threshold=threshold,
            gap_lower=max(0.0, float(table.lower[index])),
            gap_upper=float(table.upper[index]),
            strong_fraction=float(table.share[index]),
            next_share_below=_share(table, index - 1),
            next_share_above=_share(table, index + 1),
            token_share=None if tokens is None else tokens.share(index),
            tokens_known=0.0 if tokens is None else tokens.known_share,
            spend_share=None if booked is None else booked.share(index),
            spend_known=0.0 if booked is None else booked.known_share,
            spending=_spending(table, index),
        )


def _share(table: CutTable, index: int) -> float | None:
    return float(table.share[index]) if 0 <= index < len(table) else None


def _spending(table: CutTable, index: int) -> Spending | None:
    """What the requests cost if each is answered by the model that a cut sends it to."""
    cost, strong, weak = table.cost, table.cost_strong, table.cost_weak
    if cost is None or strong is None or weak is None:
        return None
    per_1000 = 1000 / (strong.known_share * table.total_requests)
    always_strong, always_weak = strong.total * per_1000, weak.total * per_1000
    fraction = float(table.share[index])
    return Spending(
        this_threshold=float(cost[index]) * per_1000,
        random=fraction * always_strong + (1 - fraction) * always_weak,
        always_strong=always_strong,
        always_weak=always_weak,
        known_share=strong.known_share,
    )


def threshold_text(
    table: CutTable,
    index: int,
    noise: float,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> str:
    """The decimal that makes a cut.

    It is the shortest decimal inside the gap that is further than the noise from both of its
    scores, if the gap is that wide; if it is not, the shortest that makes the cut.

    Args:
        noise: the largest difference between two scores of one prompt.
        within: two scores that it lies between, too, as it does between those of the gap.
    """
    lower = max(float(table.lower[index]), within[0])
    upper = min(float(table.upper[index]), within[1])
    # The bounds 0 and 1 of the first and last gap are no scores: nothing can cross them.
    inner_lower = lower if lower < 0.0 else lower + noise
    inner_upper = upper if table.share[index] == 0.0 else float(np.nextafter(upper - noise, -1.0))
    if inner_lower < inner_upper:
        return shortest_decimal(inner_lower, inner_upper)
    return shortest_decimal(lower, upper)


def tie_at(table: CutTable, share: float) -> Tie | None:
    """The tie that keeps a share out of reach, if one does.

    A share between two requests is missed by at most half a request, and the cut is only chosen to
    0.1 point; what is missed by more than both is missed because of a tie.
    """
    above = int(np.searchsorted(table.share, share))
    if above in (0, len(table)):
        return None
    low, high = float(table.share[above - 1]), float(table.share[above])
    half_a_request = table.largest_event / table.total_requests / 2
    missed_by = min(share - low, high - share)
    if missed_by <= max(RESOLUTION, half_a_request) + ROUNDING:
        return None
    return Tie(
        score=float(table.upper[above]),
        requests=float(table.requests[above] - table.requests[above - 1]),
        share_below=low,
        share_above=high,
    )


def passed_over(
    table: CutTable, nearer: int, taken: int, share: float, noise: float
) -> PassedOver | None:
    """The cut that is nearer to the share than the one that was taken, if it is."""
    distance = np.abs(table.share[[nearer, taken]] - share)
    if distance[1] <= distance[0] + ROUNDING:
        return None
    gap = float(table.upper[nearer] - table.lower[nearer])
    return PassedOver(float(table.share[nearer]), gap, within_noise=gap <= 2 * noise)
