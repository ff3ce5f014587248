"""The quality that a cut loses against always-strong, from requests whose answers were judged.

A judged request i has a loss z_i, quality of the strong answer less quality of the weak one, which
counts where the cut sends it to the weak model. A cut keeps a limit m if E[z] <= m E[base], with
a base of 1 (a loss in the quality's unit) or of the strong answer's quality (a loss as a share of
it). That is tested by betting (Waudby-Smith and Ramdas, "Estimating means of bounded random
variables by betting", Journal of the Royal Statistical Society B 86, 2024): from a capital of 1,
row after row in a random order,

    K_t = K_(t-1) (1 + lambda_t y_t (m base_t - z_t) / largest loss),

with y_t the row's weight over the mean weight and lambda_t computed from the rows before t. If the
cut loses more than m, K is a supermartingale and never negative, so it reaches 1 / (1 - confidence)
with a probability of at most 1 - confidence (Ville). Cuts are tested in a fixed order, from
all-strong downwards, until one fails; so no correction for their number is due (fixed-sequence
testing, as in Angelopoulos et al., "Learn then test", arXiv 2110.01052).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from routectl.calibration.arrays import Floats, Integers
from routectl.calibration.cut_table import RESOLUTION, ROUNDING

_LARGEST_BET = 0.75
"""The part of the capital that one row may cost: Waudby-Smith and Ramdas' c."""
_FIRST_VARIANCE = 0.25
"""Before the first row, in units of the largest loss; counts as one row."""
_CERTAIN = 2.0
"""A row that is this many times as heavy as the lightest of its stratum was drawn for certain."""
_NUMBERS_AT_ONCE = 2**18
"""Rows times cuts that are tested at once."""
_HALVINGS = 40
_TIMES = (2, 4)
"""How many times the labels projections are made for."""
_MOST_PROJECTED = 100_000
_PROJECTED_STEP = 0.005
"""A projection's share is exact to half a point: it is a guess anyway."""


@dataclass(frozen=True, slots=True, eq=False)
class JudgedSample:
    """Parallel arrays, one element for each judged row; n of them.

    Raises:
        ValueError: no row, arrays that are not of one length, or a largest loss that is no positive
            number or below one of the losses.
    """

    win_rates: Floats
    """Scores of the router."""
    strong_quality: Floats
    """In any unit."""
    weak_quality: Floats
    weights: Floats
    """Requests that each row stands for, above 0."""
    strata: Integers
    """Which rows were drawn together; all 0 where they were not drawn by strata."""
    largest_loss: float
    """What one request can lose at most, in the unit of the qualities."""

    def __post_init__(self) -> None:
        columns = (self.strong_quality, self.weak_quality, self.weights, self.strata)
        if not len(self) or {len(column) for column in columns} != {len(self)}:
            raise ValueError("The arrays of judged rows must be of one length above 0.")
        if not 0 < self.largest_loss < math.inf or self.losses.max() > self.largest_loss:
            raise ValueError("The largest loss is a positive number, and no loss lies above it.")

    def __len__(self) -> int:
        return len(self.win_rates)

    @property
    def losses(self) -> Floats:
        """Shape (n,): what is lost where the weak model answers; below 0 where it is better."""
        return self.strong_quality - self.weak_quality

    def times(self, count: int) -> JudgedSample:
        """As if so many times as many rows said the same."""
        return JudgedSample(
            np.tile(self.win_rates, count),
            np.tile(self.strong_quality, count),
            np.tile(self.weak_quality, count),
            np.tile(self.weights, count),
            np.tile(self.strata, count),
            self.largest_loss,
        )


@dataclass(frozen=True, slots=True)
class Projection:
    """The strong fraction that a number of labels reaches, if all say what those at hand say."""

    labels: int
    strong_fraction: float


@dataclass(frozen=True, slots=True)
class CutLoss:
    """What a cut of judged rows loses against always-strong. Plain values; `asdict` gives JSON.

    `expected`, `at_most` and `limit` are in the quality's unit, or shares of always-strong's
    quality.
    """

    limit: float
    expected: float
    """The weighted mean; below 0 where the cut is better than always-strong."""
    at_most: float
    """What the loss is not above, with the confidence; at least 0."""
    confidence: float
    strong_quality: float
    """Always-strong's mean, in the quality's unit."""
    quality: float
    """The cut's."""
    weak_quality: float
    """Always-weak's."""
    labels: int
    strong_fraction: float
    """Of the judged rows, weighted: that of the population may differ."""
    certain_share: float
    """Share of the requests whose prompt so many share that it was drawn for certain: they count
    as exact, so the limit holds for traffic in which they come back."""
    more_labels: tuple[Projection, ...]
    least_strong_fraction: float
    """What endless labels would reach."""


@dataclass(frozen=True, slots=True)
class SureCut:
    """A cut of judged rows that keeps a limit."""

    lower: float
    """Every threshold above this and up to `upper` makes this cut of the judged rows."""
    upper: float
    loss: CutLoss


class LossTest:
    """The cuts of judged rows, from all-strong (cut 0) downwards, and the test of each."""

    def __init__(self, judged: JudgedSample, confidence: float, *, relative: bool = False) -> None:
        """
        Args:
            confidence: in (0, 1).
            relative: limits are shares of always-strong's quality, which is at least 0 for each
                row; else they are in the quality's unit.
        """
        self._enough = -math.log(1 - confidence)
        order = np.random.default_rng(0).permutation(len(judged))
        base = judged.strong_quality if relative else np.ones(len(judged))
        self._weights, self._base = judged.weights[order], base[order]
        self._losses, self._largest = judged.losses[order], judged.largest_loss
        self._values, self._group = np.unique(judged.win_rates[order], return_inverse=True)
        # No threshold keeps a score of 1 from the strong model.
        self._cuts = len(self._values) + (self._values[-1] < 1.0)
        moved = np.cumsum(np.bincount(self._group, weights=self._weights))
        lost = np.cumsum(np.bincount(self._group, weights=self._weights * self._losses))
        strong = 1 - np.append(0.0, moved) / moved[-1]
        strong[-1] = 0.0
        self.strong_fractions: Floats = strong[: self._cuts]
        """Shape (cuts,), of the judged rows, weighted, descending from 1."""
        expected = np.append(0.0, lost) / (self._weights @ self._base)
        self.expected: Floats = expected[: self._cuts]
        """Shape (cuts,): the weighted mean loss, over the mean base."""
        self._drawn = ~_drawn_for_certain(self._weights, judged.strata[order])
        self.certain_share = float(self._weights[~self._drawn].sum() / self._weights.sum())
        """Of the requests, those that stand for themselves alone."""
        drawn_weights = self._weights[self._drawn]
        self._heft = drawn_weights / drawn_weights.mean()

    def gap(self, cut: int) -> tuple[float, float]:
        """Every threshold above the first and up to the second one makes the cut."""
        lower = -math.inf if cut == 0 else float(self._values[cut - 1])
        upper = math.inf if cut == len(self._values) else float(self._values[cut])
        return lower, upper

    def keeps(self, cuts: npt.NDArray[np.intp], limit: float) -> npt.NDArray[np.bool_]:
        """Whether each cut keeps a limit with the confidence, shape (len(cuts),).

        Args:
            limit: at least 0.
        """
        weak = self._group[None, :] < cuts[:, None]
        losses = np.where(weak, self._losses, 0.0) / self._largest
        allowed = limit * self._base / self._largest
        drawn, certain = self._drawn, ~self._drawn
        total = self._weights[drawn].sum()
        # Rows drawn for certain are no draw: what they lose is subtracted from what is allowed.
        spent = losses[:, certain] @ self._weights[certain] / total
        spare = float(allowed[certain] @ self._weights[certain] / total) - spent
        z = losses[:, drawn]
        n = z.shape[1]
        deviation = _deviations(z * self._heft)
        most = _LARGEST_BET / (self._heft.max() * (1 + np.maximum(spent, 0.0)))
        bets = np.minimum(math.sqrt(2 * self._enough / n) / deviation, most[:, None])
        won = self._heft * (allowed[drawn] + spare[:, None] - z)
        capital = np.cumsum(np.log1p(bets * won), axis=1).max(axis=1)
        enough: npt.NDArray[np.bool_] = capital >= self._enough
        return enough

    def last_in_sequence(self, limit: float, step: float = RESOLUTION) -> int:
        """The last cut before the first one that fails, 0 where there is none but all-strong.

        Args:
            step: cuts that are tested are so far apart, as shares of the requests.
        """
        sequence = self.sequence(step)
        at_once = max(1, _NUMBERS_AT_ONCE // len(self._losses))
        for start in range(0, len(sequence), at_once):
            keeps = self.keeps(sequence[start : start + at_once], limit)
            if not keeps.all():
                return _before(sequence, start + int(np.argmin(keeps)))
        return _before(sequence, len(sequence))

    def last_without_doubt(self, limit: float) -> int:
        """The same if the expected losses were exact."""
        sequence = self.sequence()
        fails = self.expected[sequence] > limit
        return _before(sequence, int(np.argmax(fails)) if fails.any() else len(sequence))

    def sequence(self, step: float = RESOLUTION) -> npt.NDArray[np.intp]:
        """The cuts that are tested, below all-strong: the first one of each step."""
        steps = np.floor((1 - self.strong_fractions) / step + ROUNDING)
        return np.flatnonzero(np.append(False, steps[1:] != steps[:-1]))

    def upper_limit(self, cut: int, kept: float) -> float:
        """The least limit that a cut keeps, from 0 to `kept`, which it keeps."""
        only = np.array([cut])
        if self.keeps(only, 0.0)[0]:
            return 0.0
        low, high = 0.0, kept
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            if self.keeps(only, middle)[0]:
                high = middle
            else:
                low = middle
        return high


def cheapest_cut(
    judged: JudgedSample, limit: float, confidence: float, *, relative: bool = False
) -> SureCut | None:
    """The cut with the fewest strong requests that keeps a limit; None where only all-strong does.

    The probability that a cut is taken whose expected loss is above the limit is at most
    1 - confidence, over the draw of the judged rows.

    Args:
        limit: at least 0.
        confidence: in (0, 1).
        relative: see `LossTest`.
    """
    test = LossTest(judged, confidence, relative=relative)
    cut = test.last_in_sequence(limit)
    if cut == 0:
        return None
    weights = judged.weights / judged.weights.sum()
    strong = float(weights @ judged.strong_quality)
    expected = float(test.expected[cut])
    possible = test.last_without_doubt(limit)
    loss = CutLoss(
        limit=limit,
        expected=expected,
        at_most=test.upper_limit(cut, limit),
        confidence=confidence,
        strong_quality=strong,
        quality=strong - expected * (strong if relative else 1.0),
        weak_quality=float(weights @ judged.weak_quality),
        labels=len(judged),
        strong_fraction=float(test.strong_fractions[cut]),
        certain_share=test.certain_share,
        more_labels=tuple(
            _projected(judged, times, limit, confidence, relative)
            for times in _TIMES
            if times * len(judged) <= _MOST_PROJECTED
        ),
        least_strong_fraction=float(test.strong_fractions[possible]),
    )
    return SureCut(*test.gap(cut), loss)


def labels_needed(
    judged: JudgedSample, limit: float, confidence: float, *, relative: bool = False
) -> Projection | None:
    """The fewest labels, as a multiple of those at hand, with which a cut below all-strong keeps
    the limit, if all say what these say; None where 100,000 do not."""
    fewest, most = 1, max(1, _MOST_PROJECTED // len(judged))

    def enough(times: int) -> bool:
        test = LossTest(judged.times(times), confidence, relative=relative)
        first = test.sequence(_PROJECTED_STEP)[:1]
        return bool(len(first) and test.keeps(first, limit)[0])

    if not enough(most):
        return None
    while fewest < most:
        times = (fewest + most) // 2
        fewest, most = (fewest, times) if enough(times) else (times + 1, most)
    return _projected(judged, fewest, limit, confidence, relative)


def _projected(
    judged: JudgedSample, times: int, limit: float, confidence: float, relative: bool
) -> Projection:
    test = LossTest(judged.times(times), confidence, relative=relative)
    cut = test.last_in_sequence(limit, _PROJECTED_STEP)
    return Projection(times * len(judged), float(test.strong_fractions[cut]))


def _before(sequence: npt.NDArray[np.intp], place: int) -> int:
    return int(sequence[place - 1]) if place else 0


def _drawn_for_certain(weights: Floats, strata: Integers) -> npt.NDArray[np.bool_]:
    """Rows that stand for their own requests alone: `evaluation.strata` draws a prompt that many
    requests share whatever the luck, and gives all others of a stratum one weight."""
    numbers = np.unique(strata, return_inverse=True)[1]
    lightest = np.full(numbers.max() + 1, np.inf)
    np.minimum.at(lightest, numbers, weights)
    certain: npt.NDArray[np.bool_] = weights > _CERTAIN * lightest[numbers]
    return certain


def _deviations(values: Floats) -> Floats:
    """The standard deviation of the values before each one, shape (cuts, n)."""
    n = values.shape[1]
    counts = np.arange(2.0, n + 2)
    means = np.cumsum(values, axis=1) / counts
    squares = _FIRST_VARIANCE + np.cumsum((values - means) ** 2, axis=1)
    variances = np.empty_like(values)
    variances[:, 0] = _FIRST_VARIANCE
    variances[:, 1:] = (squares / counts)[:, :-1]
    deviations: Floats = np.sqrt(variances)
    return deviations
