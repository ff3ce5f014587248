"""How sure a router's figures are: a paired bootstrap over prompts.

All routers are judged on the same resampled prompts, so the difference between two of them does
not carry the luck of the draw that they share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routectl.calibration import Ranking
from routectl.errors import InputError
from routectl.evaluation.metrics import (
    APGR,
    AUC,
    ROUNDING,
    Curve,
    Metric,
    checked,
    checked_weights,
    cpt_at,
    quality_curve,
    without_rounding,
)
from routectl.evaluation.resampling import drawn_counts

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

RANDOM_APGR = 0.5
"""See `metrics.random_curve`."""

METRICS = (APGR, cpt_at(0.5), cpt_at(0.8), AUC)
"""What is computed when nothing else is asked for: the columns of the paper's Tables 1 to 3."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its interval."""

    value: float | None
    """None: a CPT that is never reached."""
    low: float
    high: float
    """`inf`: a CPT's interval includes "never". From `-inf` to `inf`: the prompts do not even
    show that the strong model is better, so the figure can be anything."""

    def to_json(self) -> dict[str, float | None]:
        """As JSON values: null for an end that is not bounded, which JSON has no number for."""
        return {
            "value": self.value,
            "low": _or_none(self.low),
            "high": _or_none(self.high),
        }


BetterThanRandom = Literal["yes", "no", "can't tell"]


def better_than_random(apgr: Estimate) -> BetterThanRandom:
    """Whether a router whose APGR this is orders prompts better than chance.

    Random's APGR is 0.5 exactly, so the interval is set against that number: "yes" where all of it
    lies above, "no" where all of it lies below.
    """
    if apgr.low > RANDOM_APGR:
        return "yes"
    return "no" if apgr.high < RANDOM_APGR else "can't tell"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether one router is better than another on the same prompts."""

    difference: float | None
    """The first's figure less the second's; None where one of them is never reached."""
    low: float
    high: float
    verdict: Literal["better", "worse", "can't tell"]
    """Of the first one. "can't tell" where the interval of the difference holds 0."""

    def to_json(self) -> dict[str, float | str | None]:
        """As `Estimate.to_json`."""
        return {
            "difference": self.difference,
            "low": _or_none(self.low),
            "high": _or_none(self.high),
            "verdict": self.verdict,
        }


def _or_none(end: float) -> float | None:
    return end if math.isfinite(end) else None


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """The figures of several routers, on the prompts and on each draw of them."""

    curves: Mapping[str, Curve]
    """The curve of each router on the prompts themselves."""
    drawn: Mapping[tuple[str, Metric], Floats]
    """Shape (draws,) for each router and metric. `inf` where a CPT is never reached, NaN where the
    drawn prompts have no gap to recover."""
    draws: int
    seed: int

    def estimate(self, router: str, metric: Metric, confidence: float = 0.95) -> Estimate:
        """A figure with its percentile interval.

        Draws without a gap have no figure; where there are more of them than lie beyond one end
        of the interval, the interval is unbounded, else they are left out. A draw in which a CPT
        is never reached counts as one above every number: where such draws reach into the
        interval its upper end is `inf`.

        Args:
            confidence: in (0, 1).

        Raises:
            InputError: the prompts have no gap to recover, and the metric needs one.
        """
        value = metric.of(self.curves[router])
        low, high = percentiles(self.drawn[router, metric], confidence)
        return Estimate(value, low, high)

    def compare(
        self, first: str, second: str, metric: Metric = APGR, confidence: float = 0.95
    ) -> Comparison:
        """Is `first` better than `second`: by the interval of the difference, draw by draw.

        Raises:
            InputError: the prompts have no gap to recover, and the metric needs one.
        """
        ours, theirs = (metric.of(self.curves[router]) for router in (first, second))
        a, b = self.drawn[first, metric], self.drawn[second, metric]
        with np.errstate(invalid="ignore"):
            # Both never reached is a draw between the two, not the NaN of inf - inf.
            differences = np.where(np.isinf(a) & np.isinf(b), 0.0, a - b)
        low, high = percentiles(differences, confidence)
        verdict: Literal["better", "worse", "can't tell"] = "can't tell"
        if low > 0 or high < 0:
            verdict = "worse" if (low > 0) == metric.lower_is_better else "better"
        difference = None if ours is None or theirs is None else ours - theirs
        return Comparison(difference, low, high, verdict)


def bootstrap(
    scores: Mapping[str, ArrayLike],
    strong_quality: ArrayLike,
    weak_quality: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    metrics: Sequence[Metric] = METRICS,
    draws: int = 1000,
    seed: int = 0,
) -> Bootstrap:
    """Draw n of the n prompts again and again, and compute every router's figures on each draw.

    Prompts that were drawn by strata are drawn so again: each stratum keeps its number of rows.
    That takes strata of some size: one of m rows shows (m - 1) / m of its variance.

    The scores are sorted once; a draw is how often it holds each prompt, and its curve two
    cumulative sums. The same seed gives the same draws whatever the routers and metrics.

    Args:
        scores: one array of shape (n,) for each router, by its name.
        strong_quality, weak_quality, weights: shape (n,), as for `quality_curve`. A weight goes
            with its row.
        strata: shape (n,), integers: rows of one number were drawn together. None: all were.
        draws: at least 1.

    Raises:
        InputError: as `quality_curve`; or strata of another shape.
    """
    if draws < 1:
        raise InputError(f"A bootstrap takes at least one draw, and {draws} was asked for.")
    curves = {
        name: quality_curve(s, strong_quality, weak_quality, weights) for name, s in scores.items()
    }
    ranked = {name: Ranked.of(s, strong_quality, weak_quality) for name, s in scores.items()}
    weak = np.asarray(weak_quality, dtype=np.float64)
    row_weights = None if weights is None else checked_weights(weights, len(weak))
    parts: dict[tuple[str, Metric], list[Floats]] = {(n, m): [] for n in scores for m in metrics}
    for counts in drawn_counts(len(weak), draws, seed, strata):
        weighted = counts if row_weights is None else counts * row_weights
        weak_sums = weighted @ weak
        for name, router in ranked.items():
            sums = router.sums(router.ranking.ordered(weighted))
            for metric in metrics:
                parts[name, metric].append(_figures(metric, *sums, weak_sums))
    drawn = {key: np.concatenate(values) for key, values in parts.items()}
    return Bootstrap(curves, drawn, draws, seed)


def apgr_interval(
    scores: ArrayLike,
    strong_quality: ArrayLike,
    weak_quality: ArrayLike,
    *,
    confidence: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """The interval of one router's APGR, see `Bootstrap.estimate`.

    Raises:
        InputError: as `quality_curve`; or the prompts have no gap to recover.
    """
    interval = bootstrap(
        {"": scores}, strong_quality, weak_quality, metrics=(APGR,), draws=draws, seed=seed
    ).estimate("", APGR, confidence)
    return interval.low, interval.high


@dataclass(frozen=True, slots=True)
class Ranked:
    """A router's prompts from the highest score to the lowest. G distinct scores."""

    ranking: Ranking
    gain: Floats
    """Shape (n,), in that order: quality of the strong answer less the weak one's."""

    @classmethod
    def of(cls, scores: ArrayLike, strong_quality: ArrayLike, weak_quality: ArrayLike) -> Ranked:
        """
        Raises:
            InputError: as `quality_curve`.
        """
        values, strong, weak = checked(scores, strong_quality, weak_quality)
        ranking = Ranking.of(values)
        return cls(ranking, (strong - weak)[ranking.order])

    def sums(self, ordered: Integers | Floats) -> tuple[Floats, Floats]:
        """Prompts (or their weight) and gain above each cut: shape (draws, G + 1) both.

        Args:
            ordered: how often each draw holds each prompt, in the order of the ranking, shape
                (draws, n).
        """
        above, gains = self.ranking.moved(ordered), self.ranking.moved(ordered * self.gain)
        if ordered.dtype.kind == "f":
            gains[:, -1] = without_rounding(gains[:, -1], ordered @ np.abs(self.gain))
        return above, gains


def _figures(metric: Metric, prompts: Floats, gain: Floats, weak_sums: Floats) -> Floats:
    """A metric of each draw, shape (draws,), from sums of shape (draws, G + 1)."""
    n = prompts[:, -1]
    if metric.name == "auc":
        whole: Floats = weak_sums / n + _area(prompts, gain) / n**2
        return whole
    gap = gain[:, -1]
    if metric.name == "gap":
        difference: Floats = gap / n
        return difference
    if metric.name == "fraction_for_quality":
        assert metric.at is not None
        missing = metric.at * n - weak_sums
        return crossing(prompts, gain, missing, ROUNDING * np.abs(gap)) / n
    exists = gap > 0
    figures = np.full(len(gap), np.nan)
    n, prompts, gain, gap = n[exists], prompts[exists], gain[exists], gap[exists]
    if metric.at is None:
        figures[exists] = _area(prompts, gain) / n / gap
    elif metric.name == "pgr":
        figures[exists] = interpolate(prompts, gain, metric.at * n) / gap
    else:
        figures[exists] = crossing(prompts, gain, metric.at * gap, ROUNDING * gap) / n
    return figures


def _area(x: Floats, y: Floats) -> Floats:
    doubled: Floats = (np.diff(x, axis=1) * (y[:, 1:] + y[:, :-1])).sum(axis=1)
    return doubled / 2


def interpolate(x: Floats, y: Floats, at: Floats) -> Floats:
    """y at one x of each row; x ascends in each row, not always strictly."""
    return _on_segment(x, y, (x >= at[:, None]).argmax(axis=1), at)


def crossing(x: Floats, y: Floats, target: Floats, slack: Floats) -> Floats:
    """The first x at which y reaches the row's target; inf where it never does."""
    reached = y >= (target - slack)[:, None]
    first = reached.argmax(axis=1)
    crossing: Floats = np.where(reached.any(axis=1), _on_segment(y, x, first, target), math.inf)
    return crossing


def _on_segment(x: Floats, y: Floats, end: Integers, at: Floats) -> Floats:
    """y at `at` on the segment of each row that ends at column `end`."""
    rows, start = np.arange(len(x)), np.maximum(end - 1, 0)
    rise = x[rows, end] - x[rows, start]
    share = np.divide(at - x[rows, start], rise, out=np.ones(len(x)), where=rise != 0)
    step = y[rows, end] - y[rows, start]
    height: Floats = y[rows, start] + np.minimum(share, 1.0) * step
    return height


def percentiles(values: Floats, confidence: float) -> tuple[float, float]:
    """The interval of a figure from its draws, as `Bootstrap.estimate` says.

    Args:
        values: shape (draws,); NaN where a draw has no figure.

    Raises:
        InputError: the confidence is not in (0, 1).
    """
    if not 0 < confidence < 1:
        raise InputError(f"A confidence lies between 0 and 1, and {confidence} does not.")
    tail = (1 - confidence) / 2
    defined = np.sort(values[~np.isnan(values)])
    if len(values) - len(defined) > tail * len(values):
        return -math.inf, math.inf
    # Order statistics, outwards: between a number and inf there is nothing to interpolate.
    last = len(defined) - 1
    return float(defined[math.floor(tail * last)]), float(defined[math.ceil((1 - tail) * last)])
