"""The cut table: events sorted by value, one row for each achievable cut.

An event is what happens as a threshold falls to its value: amounts move to the strong side. Between
two models a request is one event, at its strong win rate, and a cut is a split of the requests.
Calibration and evaluation read one table: every target and every figure is a look-up on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from routectl.calibration.arrays import Floats

RESOLUTION = 0.001
"""Cuts whose shares are within 0.1 point of the nearest one are equally good."""

ROUNDING = 1e-9
"""Shares closer than this are equal: sums of a million unequal weights round by less, and it
is a thousandth of a request in a million."""

_CANCELLED = 1e-12
"""A sum below this part of the sum of its terms' sizes is what rounding leaves of terms that
cancel."""


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Parallel arrays, float64[n], one element for each event.

    An event happens under every threshold up to its value, and moves its amounts to the strong
    side. Amounts are those of all the requests that the event stands for, and NaN where unknown;
    None where no event has one. An event need not be a request: one that climbs several models is
    one event for each step, with what the step adds.

    Raises:
        ValueError: no event, arrays of different lengths, a value that is no finite number, or
            requests that are not finite, below 0, or all 0.
    """

    values: Floats
    requests: Floats
    """Requests that move, in any unit."""
    tokens: Floats | None = None
    booked_cost: Floats | None = None
    """US dollars that the proxy noted, for whichever model answered."""
    cost_strong: Floats | None = None
    """US dollars with the strong model; known only where `cost_weak` is."""
    cost_weak: Floats | None = None
    """The same with the weak one."""
    month_strong: Floats | None = None
    """US dollars that a month of them costs with the strong model; known where `month_weak` is."""
    month_weak: Floats | None = None
    quality_gained: Floats | None = None
    """Quality with the strong model less quality with the weak one, in the quality's own unit."""

    def __post_init__(self) -> None:
        columns = [getattr(self, field.name) for field in fields(self)]
        if len({column.shape for column in columns if column is not None} | {(len(self),)}) != 1:
            raise ValueError("The arrays of events must be of one length.")
        if not len(self) or not np.isfinite(self.values).all():
            raise ValueError("Events have finite values, and there is at least one.")
        if not (self.requests.min() >= 0 and 0 < self.requests.max() < math.inf):
            raise ValueError(
                "Events move finite numbers of requests from 0 on, and some are above."
            )
        if (self.cost_strong is None) != (self.cost_weak is None):
            raise ValueError("Events have a cost with both models or with neither.")

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Events in the order in which a falling threshold makes them happen, sorted once.

    The n events have G distinct values; those of one value happen together.
    """

    order: npt.NDArray[np.intp]
    """Shape (n,): events from the highest value to the lowest."""
    last: npt.NDArray[np.intp]
    """Shape (G,): where in `order` each group of equal values ends."""
    values: Floats
    """Shape (G,), descending."""

    @classmethod
    def of(cls, values: Floats) -> Ranking:
        order = np.argsort(values)[::-1]
        descending = values[order] + 0.0  # -0.0 becomes 0.0
        last = np.append(np.flatnonzero(descending[1:] != descending[:-1]), len(values) - 1)
        return cls(order, last, descending[last])

    def ordered(self, amounts: npt.NDArray[np.int64] | Floats) -> npt.NDArray[np.int64] | Floats:
        """The amounts of the events, shape (..., n), in the order of the ranking."""
        return amounts[..., self.order]

    def moved(self, ordered: npt.NDArray[np.int64] | Floats) -> Floats:
        """What has moved at each of the G + 1 cuts, from no event to all: shape (..., G + 1).

        Args:
            ordered: amounts in the order of the ranking, shape (..., n).
        """
        moved = np.zeros((*ordered.shape[:-1], len(self.last) + 1))
        moved[..., 1:] = np.cumsum(ordered, axis=-1)[..., self.last]
        return moved


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """An amount at each cut, of the events that have it."""

    moved: Floats
    """float64[cuts]: what has moved to the strong side. Its last element is the total."""
    known_share: float
    """Share of the requests whose amount is known."""

    @property
    def total(self) -> float:
        return float(self.moved[-1])

    def share(self, cut: int) -> float | None:
        """The part of the total on the strong side of a cut; None where the total is 0."""
        return float(self.moved[cut]) / self.total if self.total > 0 else None


@dataclass(frozen=True, slots=True, eq=False)
class CutTable:
    """The achievable cuts, from the fewest strong requests to all of them.

    Parallel arrays, float64[cuts]. K distinct values have K + 1 cuts, or K where the highest value
    is the highest threshold: none keeps that one from the strong side.
    """

    lower: Floats
    """Every threshold in (lower, upper] makes this cut."""
    upper: Floats
    requests: Floats
    """Requests on the strong side, in the unit of the events. Ascending."""
    share: Floats
    """The same as a share of all requests: the strong fraction."""
    largest_event: float
    """The most requests that a single event moves."""
    # Each of the following is None where no event has such an amount.
    tokens: Column | None
    booked_cost: Column | None
    cost_strong: Column | None
    cost_weak: Column | None
    month_strong: Column | None
    month_weak: Column | None
    quality_gained: Column | None

    def __len__(self) -> int:
        return len(self.share)

    @property
    def total_requests(self) -> float:
        return float(self.requests[-1])

    @property
    def cost(self) -> Floats | None:
        """float64[cuts]: US dollars of all requests, each with the model that it goes to; of those
        whose cost is known. None where there is none."""
        return _with_either(self.cost_strong, self.cost_weak)

    @property
    def month(self) -> Floats | None:
        """float64[cuts]: US dollars of a month, each request with the model that it goes to. None
        where there is none."""
        return _with_either(self.month_strong, self.month_weak)

    def at(self, threshold: float) -> int:
        """The cut that a threshold makes.

        Raises:
            ValueError: the threshold is outside the range that the table was made for.
        """
        lowest, highest = float(self.lower[-1]), float(self.upper[0])
        if not lowest < threshold <= highest:
            raise ValueError(f"The thresholds of this table lie in ({lowest}, {highest}].")
        return int(np.searchsorted(-self.lower, -threshold, side="right"))

    def nearest(self, share: float, *, at_most: bool = False) -> int:
        """The cut to take for a strong fraction.

        It is the cut whose share is nearest (with `at_most`, the nearest that is not above it; of
        two equally near, the lower share). Cuts within 0.1 point of that one are equally good, and
        among them the widest gap is taken, because a score that changes a little between machines
        is least likely to cross it. The two ends of the table (as few strong requests as can be,
        all of them) are taken only when they are themselves the nearest, and are then kept: nobody
        who asks for 0.05 % means never.

        Where no share is at most the asked one (a score equals 1.0), the lowest share is taken.

        Args:
            share: in [0, 1].
        """
        eligible, distance = self._eligible(share, at_most)
        nearest = self.closest(share, at_most=at_most)
        last = len(self) - 1
        if nearest in (0, last):
            return nearest
        equally_good = eligible & (
            np.abs(self.share - self.share[nearest]) <= RESOLUTION + ROUNDING
        )
        equally_good[[0, last]] = False
        candidates = np.flatnonzero(equally_good)
        width = self.upper[candidates] - self.lower[candidates]
        widest = candidates[width >= width.max() * (1 - 1e-9)]
        return int(widest[np.argmin(distance[widest])])

    def closest(self, share: float, *, at_most: bool = False) -> int:
        """The cut whose share is nearest, however narrow its gap; else as `nearest`."""
        _, distance = self._eligible(share, at_most)
        return int(np.flatnonzero(distance <= distance.min() + ROUNDING)[0])

    def _eligible(self, share: float, at_most: bool) -> tuple[npt.NDArray[np.bool_], Floats]:
        """Which cuts may be taken for a share, and how far each is from it; else infinitely far."""
        eligible = np.ones(len(self), dtype=np.bool_)
        if at_most:
            eligible = self.share <= share + ROUNDING
        eligible[0] = True
        return eligible, np.where(eligible, np.abs(self.share - share), np.inf)


def _with_either(strong: Column | None, weak: Column | None) -> Floats | None:
    """What both sides of each cut cost."""
    if strong is None or weak is None:
        return None
    return strong.moved + (weak.total - weak.moved)


def cut_table(events: Events, *, lowest: float = -math.inf, highest: float = math.inf) -> CutTable:
    """Sort once; every later question is a look-up on the result.

    Args:
        lowest, highest: the range of the thresholds, both included where they are finite.

    Raises:
        ValueError: a value lies outside that range.
    """
    ranking = Ranking.of(events.values)
    values = ranking.values
    if not (lowest <= values[-1] and values[0] <= highest):
        raise ValueError(f"The values of these events lie between {lowest} and {highest}.")
    # No threshold keeps the highest value from the strong side: the cut of no event is none.
    first = 1 if values[0] == highest else 0

    def moved(amounts: Floats) -> Floats:
        return ranking.moved(ranking.ordered(amounts))[first:]

    # In units of the largest number, equal numbers are whole and shares are exact.
    largest = float(events.requests.max())
    relative = moved(events.requests / largest)
    all_requests = float(events.requests.sum())

    def column(amounts: Floats | None, known_with: Floats | None = None) -> Column | None:
        if amounts is None:
            return None
        is_known = np.isfinite(amounts if known_with is None else amounts + known_with)
        if not is_known.any():
            return None
        amounts = np.where(is_known, amounts, 0.0)
        moved_amounts = moved(amounts)
        if abs(moved_amounts[-1]) <= _CANCELLED * np.abs(amounts).sum():
            moved_amounts[-1] = 0.0
        return Column(moved_amounts, float(events.requests[is_known].sum()) / all_requests)

    return CutTable(
        # The lower bound of the last gap lies just below the lowest threshold, which is in the gap.
        lower=np.append(values, np.nextafter(lowest, -math.inf))[first:],
        upper=np.append(highest, values)[first:],
        requests=relative * largest,
        share=relative / relative[-1],
        largest_event=largest,
        tokens=column(events.tokens),
        booked_cost=column(events.booked_cost),
        cost_strong=column(events.cost_strong, events.cost_weak),
        cost_weak=column(events.cost_weak, events.cost_strong),
        month_strong=column(events.month_strong, events.month_weak),
        month_weak=column(events.month_weak, events.month_strong),
        quality_gained=column(events.quality_gained),
    )
