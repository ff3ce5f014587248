"""How good a router is: the paper's figures, exactly, from its cut table.

The curve of a router is its cut table read as mean quality at each achievable strong fraction.
Every figure is one look-up on it: AUC in the quality's own unit, and PGR, APGR and CPT (RouteLLM,
arXiv 2406.18665, section 3) as shares of the gap between always-weak and always-strong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routectl.calibration import CutTable, Events, cut_table
from routectl.errors import InputError

ROUNDING = 1e-9
"""A quality that lies this share of the gap below its target counts as reached: sums of 14,000
decimal qualities are off by less, and a curve that runs level at the target must not miss it."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The mean quality at each achievable strong fraction, and the mean cost where it is known.

    Prompts with equal scores move together; between two cuts the curve is a straight line, which
    is what a coin thrown among the tied prompts gives on average.
    """

    table: CutTable
    """Its requests are the weights of the prompts."""
    gain: NDArray[np.float64]
    """Shape (cuts,): mean quality above always-weak's, in the quality's own unit; starts at 0 and
    ends at the gap."""
    weak_quality: float
    """Mean quality of always-weak, in the quality's own unit."""

    @property
    def strong_fraction(self) -> NDArray[np.float64]:
        """Shape (cuts,), ascending from 0 to 1."""
        return self.table.share

    @property
    def quality(self) -> NDArray[np.float64]:
        """Shape (cuts,): mean quality, from always-weak's to always-strong's."""
        return self.weak_quality + self.gain

    @property
    def gap(self) -> float:
        """How much better always-strong is than always-weak; not above 0 if it is no better."""
        return float(self.gain[-1])

    @property
    def strong_quality(self) -> float:
        """Mean quality of always-strong."""
        return self.weak_quality + self.gap

    @property
    def gap_recovered(self) -> NDArray[np.float64]:
        """Shape (cuts,): PGR (RouteLLM, equation 3), 0 for always-weak, 1 for always-strong.

        Raises:
            InputError: the strong model is no better on average, so there is no gap to recover.
        """
        if not self.gap > 0:
            raise InputError(
                "The strong model is no better than the weak one on these prompts "
                f"({self.strong_quality:.4g} against {self.weak_quality:.4g}), so there is no gap "
                "to recover; check which of the two is the strong one."
            )
        return self.gain / self.gap

    @property
    def cost(self) -> NDArray[np.float64]:
        """Shape (cuts,): US dollars of a request, from always-weak's to always-strong's.

        Raises:
            ValueError: the curve was made without costs.
        """
        cost = self.table.cost
        if cost is None:
            raise ValueError("This curve was made without costs.")
        return cost / self.table.total_requests


def quality_curve(
    scores: ArrayLike,
    strong_quality: ArrayLike,
    weak_quality: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    costs: tuple[ArrayLike, ArrayLike] | None = None,
) -> Curve:
    """The curve of a router's scores on prompts whose quality with either model is known.

    Args:
        scores: shape (n,), high = strong model.
        strong_quality: shape (n,), how good the strong model's answer is; any unit.
        weak_quality: shape (n,), the same for the weak model.
        weights: shape (n,), above 0: how many requests each prompt stands for, in any unit. With
            them, fractions and means are those of requests. None: all prompts count alike.
        costs: shape (n,) both, US dollars of the strong model's answer and of the weak one's.

    Raises:
        InputError: no prompts, arrays of different shapes, a number that is not finite, or a
            weight that is not above 0.
    """
    values, strong, weak = checked(scores, strong_quality, weak_quality)
    n = len(values)
    requests = np.ones(n) if weights is None else checked_weights(weights, n)
    strong_cost = weak_cost = None
    if costs is not None:
        strong_cost, weak_cost = (
            requests * checked_column(name, column, n)
            for name, column in zip(("strong costs", "weak costs"), costs, strict=True)
        )
    table = cut_table(
        Events(
            values=values,
            requests=requests,
            cost_strong=strong_cost,
            cost_weak=weak_cost,
            quality_gained=requests * (strong - weak),
        )
    )
    assert table.quality_gained is not None
    return Curve(
        table,
        gain=table.quality_gained.moved / table.total_requests,
        weak_quality=float(requests @ weak / table.total_requests),
    )


def random_curve(
    strong_quality: ArrayLike, weak_quality: ArrayLike, weights: ArrayLike | None = None
) -> Curve:
    """The expectation of a router that knows nothing: exactly the straight line between the ends.

    Its APGR is 0.5, and its CPT(x) is x: that of the expected curve.
    """
    return quality_curve(np.zeros(np.shape(strong_quality)), strong_quality, weak_quality, weights)


def oracle_curve(
    strong_quality: ArrayLike, weak_quality: ArrayLike, weights: ArrayLike | None = None
) -> Curve:
    """The best that any router can do: prompts in the order of what the strong model gains."""
    strong, weak = (np.asarray(given, dtype=np.float64) for given in (strong_quality, weak_quality))
    if strong.shape != weak.shape:
        raise InputError(f"Strong qualities have shape {strong.shape}, and weak ones {weak.shape}.")
    return quality_curve(strong - weak, strong, weak, weights)


def auc(curve: Curve) -> float:
    """Area under the quality curve over the strong fraction from 0 to 1, in the quality's unit.

    That is the mean quality over all strong fractions, as RouteLLM's evaluation prints it (in
    percent where its qualities are).
    """
    return curve.weak_quality + float(np.trapezoid(curve.gain, curve.strong_fraction))


def pgr(curve: Curve, strong_fraction: float) -> float:
    """Performance gap recovered at a strong fraction in [0, 1] (RouteLLM, equation 3).

    Raises:
        InputError: no gap, see `Curve.gap_recovered`; or no fraction.
    """
    if not 0 <= strong_fraction <= 1:
        raise InputError(f"A strong fraction lies between 0 and 1, and {strong_fraction} does not.")
    return float(np.interp(strong_fraction, curve.strong_fraction, curve.gap_recovered))


def apgr(curve: Curve) -> float:
    """Average performance gap recovered: the area under `gap_recovered` (RouteLLM, equation 4).

    The paper averages over a few cost thresholds; this is the exact integral. Scores that know
    nothing have the expectation 0.5. It can lie outside [0, 1], where cuts lie below always-weak
    or above always-strong.

    Raises:
        InputError: no gap, see `Curve.gap_recovered`.
    """
    return float(np.trapezoid(curve.gap_recovered, curve.strong_fraction))


def cpt(curve: Curve, recovered: float) -> float | None:
    """Call-performance threshold CPT(x): the least strong fraction that recovers x of the gap.

    It is the first crossing, also where the curve falls below again behind it. Since the curve
    ends at 1, a share up to 1 is always reached; one above 1 (better than always-strong) may
    never be.

    Args:
        recovered: x, above 0; CPT(50%) is 0.5.

    Returns:
        In [0, 1], or None: never reached.

    Raises:
        InputError: no gap, see `Curve.gap_recovered`; or x is not above 0.
    """
    if not recovered > 0:
        raise InputError(f"CPT takes a share of the gap above 0, and {recovered} is not.")
    return _first_crossing(curve.strong_fraction, curve.gap_recovered, recovered, ROUNDING)


def strong_fraction_for(curve: Curve, quality: float) -> float | None:
    """The least strong fraction whose mean quality is `quality` or better; None: never.

    In the quality's own unit, so it needs no gap: it holds where the weak model is the better
    one, too.
    """
    slack = ROUNDING * abs(curve.gap)
    return _first_crossing(curve.strong_fraction, curve.quality, quality, slack)


def _first_crossing(
    fractions: NDArray[np.float64], heights: NDArray[np.float64], target: float, slack: float
) -> float | None:
    reached = heights >= target - slack
    if not reached.any():
        return None
    first = int(np.argmax(reached))
    if first == 0:
        return 0.0
    below, above = heights[first - 1], heights[first]
    share = min(1.0, (target - below) / (above - below))
    return float(fractions[first - 1] + share * (fractions[first] - fractions[first - 1]))


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure by name, for those who ask for several: `AUC`, `GAP`, `APGR`, `pgr_at`, `cpt_at`,
    `fraction_for_quality`."""

    name: Literal["auc", "gap", "apgr", "pgr", "cpt", "fraction_for_quality"]
    at: float | None = None
    """PGR: the strong fraction; CPT: the share of the gap; fraction_for_quality:
    the quality; else None."""

    @property
    def lower_is_better(self) -> bool:
        """True for CPT and fraction_for_quality: fewer strong calls for the same quality."""
        return self.name in ("cpt", "fraction_for_quality")

    def of(self, curve: Curve) -> float | None:
        """The figure of a curve; None where a CPT or a quality is never reached.

        Raises:
            InputError: as the figure's own function.
        """
        if self.name == "auc":
            return auc(curve)
        if self.name == "gap":
            return curve.gap
        if self.at is None:
            return apgr(curve)
        if self.name == "fraction_for_quality":
            return strong_fraction_for(curve, self.at)
        return pgr(curve, self.at) if self.name == "pgr" else cpt(curve, self.at)

    def __str__(self) -> str:
        if self.name == "fraction_for_quality":
            return f"fraction_for_quality({self.at:.10g})"
        return self.name.upper() + ("" if self.at is None else f"({100 * self.at:.4g}%)")


AUC = Metric("auc")
GAP = Metric("gap")
"""How much better always-strong is than always-weak, in the quality's unit; the same for all
routers."""
APGR = Metric("apgr")


def pgr_at(strong_fraction: float) -> Metric:
    """PGR at a strong fraction in [0, 1]."""
    return Metric("pgr", strong_fraction)


def cpt_at(recovered: float) -> Metric:
    """CPT at a share of the gap above 0: CPT(50%) is `cpt_at(0.5)`."""
    return Metric("cpt", recovered)


def fraction_for_quality(quality: float) -> Metric:
    """The least strong fraction with this mean quality, see `strong_fraction_for`."""
    return Metric("fraction_for_quality", quality)


def checked(
    scores: ArrayLike, strong_quality: ArrayLike, weak_quality: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The three arrays as float64 of one shape (n,).

    Raises:
        InputError: no prompts, arrays of different shapes, or a number that is not finite.
    """
    shape = np.shape(scores)
    if len(shape) != 1 or shape[0] == 0:
        raise InputError(f"A curve takes one score per prompt, and these have the shape {shape}.")
    return (
        checked_column("scores", scores, shape[0]),
        checked_column("strong qualities", strong_quality, shape[0]),
        checked_column("weak qualities", weak_quality, shape[0]),
    )


def checked_column(name: str, column: ArrayLike, n: int) -> NDArray[np.float64]:
    """An array as float64 of the shape (n,).

    Raises:
        InputError: another shape, or a number that is not finite.
    """
    array = np.asarray(column, dtype=np.float64)
    if array.shape != (n,):
        raise InputError(f"There are {n} scores, and {name} of the shape {array.shape}.")
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        raise InputError(
            f"Of the {name}, {len(bad)} of {n} are no finite number, the first in row {bad[0] + 1}."
        )
    return array


def checked_weights(weights: ArrayLike, n: int) -> NDArray[np.float64]:
    """Weights as float64 of the shape (n,).

    Raises:
        InputError: another shape, or a weight that is no finite number above 0.
    """
    array = np.asarray(weights, dtype=np.float64)
    if array.shape != (n,):
        raise InputError(f"There are {n} scores, and weights of the shape {array.shape}.")
    bad = np.flatnonzero(~(np.isfinite(array) & (array > 0)))
    if len(bad):
        raise InputError(
            f"Of the weights, {len(bad)} of {n} are no finite number above 0, the first in row "
            f"{bad[0] + 1}."
        )
    return array


def without_rounding(total: ArrayLike, size: ArrayLike) -> NDArray[np.float64]:
    """Weighted sums of gains, where what rounding alone can leave of gains and losses that cancel
    is exactly 0: divided by such a gap, a curve is anything.

    Args:
        total: the sums.
        size: the sums of the absolute values of their terms.
    """
    sums = np.asarray(total, dtype=np.float64)
    return np.where(np.abs(sums) <= 1e-12 * np.asarray(size), 0.0, sums)
