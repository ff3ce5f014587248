"""Drawing prompts of the traffic by strata of their scores, and how many requests each stands for.

Pure functions on arrays of N distinct prompts, of which prompt i was sent by r_i requests.

Strata are parts of the score's range that hold about equally many requests. Within one, prompts are
drawn by *priority* (Duffield, Lund and Thorup, "Priority sampling for estimation of arbitrary
subset sums", Journal of the ACM 54, 2007): with u_i uniform in (0, 1), the m prompts with the
largest r_i / u_i, each of which stands for max(r_i, t) requests, t being the next largest. So a
prompt that many requests share is drawn for certain and counts as itself, all others count alike,
and sums over any part of the requests are estimated without bias. Since u_i hangs on the prompt
alone, a draw of fewer is part of a draw of more from the same strata.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_STRATA = 10
ROWS_OF_A_STRATUM = 10
"""Prompts that are drawn of each, at least; a smaller sample has fewer strata. Of m rows, a
bootstrap within the stratum shows (m - 1) / m of the variance."""
FEWEST_ROWS = 2
"""Of a stratum, whatever ties and lost verdicts leave: one row alone shows no variance."""


@dataclass(frozen=True, slots=True)
class StratifiedDraw:
    """Prompts that were drawn, in an order of which every beginning is spread over the strata."""

    rows: Integers
    """Shape (n,): which prompts."""
    strata: Integers
    """Shape (n,): numbers from 0, ascending with the score."""
    weights: Floats
    """Shape (n,): how many requests each stands for; they add up to all, in every stratum."""


def draw_by_strata(scores: Floats, requests: Floats, luck: Floats, size: int) -> StratifiedDraw:
    """Draw prompts from the whole range of the scores.

    Args:
        scores: shape (N,), of distinct prompts.
        requests: shape (N,), above 0: how many requests sent each.
        luck: shape (N,), in (0, 1): uniform, and each prompt's own.
        size: how many to draw, from 1 to N.
    """
    strata = strata_of(scores, requests, max(1, min(MOST_STRATA, size // ROWS_OF_A_STRATUM)))
    members = [np.flatnonzero(strata == number) for number in range(int(strata.max()) + 1)]
    totals = [float(requests[rows].sum()) for rows in members]
    sizes = allocation(totals, [len(rows) for rows in members], size)
    drawn, numbers, weights, turns = [], [], [], []
    for number, (rows, count) in enumerate(zip(members, sizes, strict=True)):
        chosen, stands_for = draw_by_priority(requests[rows], luck[rows], count)
        drawn.append(rows[chosen])
        numbers.append(np.full(count, number))
        weights.append(stands_for)
        turns.append((np.arange(count) + 0.5) / max(count, 1))
    order = np.argsort(np.concatenate(turns), kind="stable")
    return StratifiedDraw(
        np.concatenate(drawn)[order],
        np.concatenate(numbers)[order],
        np.concatenate(weights)[order],
    )


def strata_of(scores: Floats, requests: Floats, count: int) -> Integers:
    """The stratum of each prompt, shape (N,), numbers from 0 without a gap.

    Prompts with equal scores are in one stratum. There are fewer than `count` where ties leave a
    stratum fewer than `FEWEST_ROWS` prompts.
    """
    _, group = np.unique(scores, return_inverse=True)
    weight = np.bincount(group, weights=requests)
    middle = (np.cumsum(weight) - weight / 2) / weight.sum()
    return merged(np.minimum((middle * count).astype(np.int64), count - 1)[group])


def allocation(totals: list[float], prompts: list[int], size: int) -> list[int]:
    """How many prompts to draw of each stratum: in proportion to its requests.

    By Sainte-Laguë's highest averages, so that a larger sample never draws fewer of a stratum;
    each gets `FEWEST_ROWS` first, and none more than it has.

    Args:
        totals: requests of each stratum.
        prompts: distinct prompts of each.
        size: at most the sum of `prompts`.
    """
    sizes = [0] * len(totals)

    def priority(stratum: int) -> tuple[bool, float, int]:
        taken = sizes[stratum]
        return taken >= FEWEST_ROWS, -totals[stratum] / (taken + 0.5), stratum

    waiting = [priority(stratum) for stratum in range(len(totals)) if prompts[stratum]]
    heapq.heapify(waiting)
    for _ in range(size):
        stratum = waiting[0][-1]
        sizes[stratum] += 1
        if sizes[stratum] < prompts[stratum]:
            heapq.heapreplace(waiting, priority(stratum))
        else:
            heapq.heappop(waiting)
    return sizes


def draw_by_priority(requests: Floats, luck: Floats, size: int) -> tuple[Integers, Floats]:
    """Rows of one stratum, shape (size,), and how many requests each stands for.

    The weights add up to all requests: what is not drawn for certain shares the rest evenly.
    """
    ranked = np.argsort(-requests / luck, kind="stable")
    chosen = ranked[:size]
    if size == len(requests):
        return chosen, requests[chosen]
    limit = requests[ranked[size]] / luck[ranked[size]]
    certain = requests[chosen] >= limit
    weights = np.maximum(requests[chosen], limit)
    rest = requests.sum() - weights[certain].sum()
    scaled = certain if certain.all() else ~certain
    share = (requests.sum() if certain.all() else rest) / weights[scaled].sum()
    weights[scaled] *= share
    return chosen, weights


def remaining(
    weights: Floats, strata: Integers, kept: NDArray[np.bool_]
) -> tuple[Floats, Integers]:
    """Weights and strata of the rows that are kept, which stand for those that are not.

    Within a stratum the kept rows share the weight of all in proportion; strata that are left
    fewer than `FEWEST_ROWS` rows join their neighbours.

    Args:
        weights, strata: shape (n,), of all rows that were drawn.
        kept: shape (n,), at least one.
    """
    numbers = np.unique(strata, return_inverse=True)[1]
    joined = merged(numbers, kept)
    totals = np.bincount(joined, weights=weights)
    left = np.bincount(joined, weights=np.where(kept, weights, 0.0))
    return (weights * (totals / left)[joined])[kept], joined[kept]


def merged(strata: Integers, counted: NDArray[np.bool_] | None = None) -> Integers:
    """Strata with `FEWEST_ROWS` rows at least: those with fewer join the next, the last the one
    before.

    Args:
        strata: shape (n,), numbers from 0.
        counted: shape (n,): which rows count; None: all.
    """
    rows = np.bincount(strata if counted is None else strata[counted], minlength=strata.max() + 1)
    numbers, current, held = np.zeros(len(rows), dtype=np.int64), 0, 0
    for stratum, count in enumerate(rows):
        if held >= FEWEST_ROWS and rows[stratum:].sum() >= FEWEST_ROWS:
            current, held = current + 1, 0
        numbers[stratum] = current
        held += count
    return numbers[strata]
