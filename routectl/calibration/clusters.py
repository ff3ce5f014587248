"""Clusters of requests, and the variance of a share whose requests depend within them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from routectl.calibration.arrays import Booleans, Floats, Integers

Ids = npt.NDArray[np.intp]


def dense(ids: Integers | Ids) -> tuple[Ids, int]:
    """Ids renumbered from 0 without holes, in the order of the ids, and how many there are.

    Args:
        ids: at least one, none below 0.
    """
    if int(ids.max()) > 16 * len(ids):
        distinct, numbers = np.unique(ids, return_inverse=True)
        return numbers, len(distinct)
    present = np.bincount(ids) > 0
    numbers = np.cumsum(present) - 1
    return numbers[ids], int(numbers[-1]) + 1


def sums(ids: Ids | Integers, count: int, amounts: Floats) -> Floats:
    """The sum of the amounts of each id, shape (count,)."""
    return np.bincount(ids, amounts, minlength=count).astype(np.float64, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """The clusters of n requests and what they weigh: all that does not depend on a cut."""

    ids: Ids
    """Shape (n,), the cluster of each request, from 0."""
    weight: Floats
    """W_c, shape (clusters,), by id; where each request is a cluster, in their order."""
    squares: Floats
    """The sum of the squared weights of each cluster, shape (clusters,)."""

    @classmethod
    def of(cls, ids: Ids, count: int, weights: Floats) -> Clusters:
        """
        Args:
            ids: from 0 to `count` - 1, each at least once.
            weights: float64[n], above 0.
        """
        if count == len(ids):  # no sum over clusters depends on their order
            return cls(ids, weights, weights**2)
        return cls.in_order(ids, count, weights)

    @classmethod
    def in_order(cls, ids: Ids, count: int, weights: Floats) -> Clusters:
        """The same, always in the order of the ids."""
        weight = sums(ids, count, weights)
        if (weights == 1.0).all():
            return cls(ids, weight, weight)
        return cls(ids, weight, sums(ids, count, weights**2))

    def __len__(self) -> int:
        return len(self.weight)

    @property
    def kish(self) -> float:
        """Kish's effective number of clusters: that of clusters of one weight."""
        return float(self.weight.sum()) ** 2 / float(self.weight @ self.weight)

    def residuals(self, strong: Booleans, weights: Floats, share: float) -> Floats:
        """The sum of w (y - p) of each cluster, in the order of `weight`, shape (clusters,)."""
        if len(self) == len(strong):
            return weights * (strong - share)
        return self.strong_weight(strong, weights) - share * self.weight

    def strong_weight(self, strong: Booleans, weights: Floats) -> Floats:
        """The weight of each cluster's strong requests, by id, shape (clusters,)."""
        chosen = np.flatnonzero(strong)
        return sums(self.ids[chosen], len(self), weights[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Variance:
    """The variance of a share by one way of clustering."""

    value: float
    degrees_of_freedom: float
    model: Floats
    """The working variance of each cluster's residual, shape (clusters,), in any unit."""


def variance_by(
    residuals: Floats,
    weight: Floats,
    squares: Floats,
    spread: float,
    strata: Integers | None = None,
) -> Variance:
    """The variance of the weighted share, from the residuals of its clusters.

    Bell and McCaffrey's (2002) correction for few clusters and clusters of unequal size, with the
    working model of Imbens and Kolesar (2016).

    Args:
        residuals: the sum of w (y - p) of each cluster, float64[clusters]; where there are
            strata, p is the share of the cluster's own stratum.
        weight: W_c, float64[clusters].
        squares: the sum of w^2 of each cluster, float64[clusters].
        spread: p (1 - p), above 0.
        strata: from 0, int64[clusters]: clusters whose residuals are from one share. None: all.
    """
    sum_of_squares = float(residuals @ residuals)
    estimated = 1 if strata is None else len(np.unique(strata))
    correlation = _correlation(sum_of_squares, spread, weight, squares, estimated)
    model = correlation * weight**2 + (1 - correlation) * squares
    bias, degrees_of_freedom = _bias_and_degrees_of_freedom(model, weight, strata)
    value = sum_of_squares / float(weight.sum()) ** 2 / bias if sum_of_squares > 0 else 0.0
    return Variance(value, degrees_of_freedom, model)


def _correlation(
    sum_of_squares: float, spread: float, weight: Floats, squares: Floats, estimated: int
) -> float:
    """How alike the requests of one cluster are, from 0 to 1, by the method of moments.

    In a model where two requests of one cluster correlate by r, the sum of squared residuals
    is expected to be p(1-p) (r sum W_c^2 + (1-r) sum w_i^2), but for the C/(C-1) that
    estimating p costs (C/(C-S) for S strata). Solved for r.
    """
    whole, apart = float(weight @ weight), float(squares.sum())
    if whole - apart <= 1e-12 * whole:
        return 0.0  # one request in each cluster: nothing to be alike
    count = len(weight)
    observed = sum_of_squares * count / max(1, count - estimated) / spread
    return min(1.0, max(0.0, (observed - apart) / (whole - apart)))


def _bias_and_degrees_of_freedom(
    model: Floats, weight: Floats, strata: Integers | None
) -> tuple[float, float]:
    """What the sum of squared residuals is worth when clusters are few or of unequal size.

    With independent cluster totals of variance a_c and residuals r_c = z_c - h_c sum z, the
    covariance of r is B = A - h a' - a h' + (sum a) h h'. Then E[r'r] = tr B, and the
    degrees of freedom that match its first two moments are (tr B)^2 / tr B^2. Clusters of one
    size give the usual (C - 1)/C and C - 1. With strata, B has a block for each, in which h is the
    cluster's share of the stratum: S strata of equal clusters give (C - S)/C and C - S.

    Args:
        model: a_c, float64[clusters], in any unit.
        weight: W_c, float64[clusters].

    Returns:
        The factor by which the sum of squares is too small, and the degrees of freedom.
    """
    a = model / model.sum()
    if strata is None:
        blocks = [_moments(a, weight / weight.sum())]
    else:
        members = [strata == stratum for stratum in np.unique(strata)]
        blocks = [_moments(a[m], weight[m] / weight[m].sum()) for m in members]
    trace, trace_of_square = (sum(column) for column in zip(*blocks, strict=True))
    # At least 1, as for any B of rank 1 or more; less can only be rounding.
    return trace, max(1.0, trace**2 / trace_of_square) if trace_of_square > 0 else 1.0


def _moments(a: Floats, h: Floats) -> tuple[float, float]:
    """tr B and tr B^2 of one stratum; `a` need not add up to 1, `h` does."""
    if len(a) == 1:
        return 0.0, 0.0
    size = float(a.sum())
    a = a / size
    # tr B as a sum of terms that are never negative: one cluster may hold nearly all weight.
    trace = float(a @ (1 - h) ** 2 + (h * h) @ (1 - a))
    aa, hh, ah = float(a @ a), float(h @ h), float(a @ h)
    aah, ahh = float((a * a) @ h), float(a @ (h * h))
    trace_of_square = aa + 2 * ahh - 4 * aah + 2 * ah**2 + 2 * hh * aa - 4 * ah * hh + hh**2
    return size * trace, size**2 * trace_of_square
