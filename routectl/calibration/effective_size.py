"""How many independent requests a sample is worth: weights and dependence in one number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from routectl.calibration.arrays import Booleans, Floats, Integers

ClusterKind = Literal["conversation", "prompt"]


@dataclass(frozen=True, slots=True)
class EffectiveSize:
    """What a strong fraction rests on. docs/statistics.md derives each number."""

    requests: int
    """Requests in the sample, unweighted."""
    clusters: int
    cluster_kind: ClusterKind
    """What the clusters are: of the two kinds, the one with the larger variance."""
    share: float
    """The strong fraction p that this belongs to."""
    variance: float
    """V, the variance of p over samples of clusters; 0 where p is 0 or 1."""
    n_eff: float
    """p(1-p)/V, at most `requests`. Where p is 0 or 1, or there is one cluster, V says nothing
    and this is Kish's effective number of clusters."""
    degrees_of_freedom: float | None
    """Of V; None where `n_eff` does not come from V."""

    def corrected(self, confidence: float) -> float:
        """`n_eff` after the t correction of Korn and Graubard (1998): what intervals use."""
        return self._corrected(self.requests, confidence)

    def corrected_at(self, requests: float, confidence: float) -> float:
        """The same for a sample of another size of the same traffic.

        The effective size and its degrees of freedom grow in proportion to the requests.

        Args:
            requests: above 1.
        """
        return self._corrected(requests, confidence)

    def _corrected(self, requests: float, confidence: float) -> float:
        from scipy.special import stdtrit

        growth = requests / self.requests
        if self.degrees_of_freedom is None or requests <= 1:
            return self.n_eff * growth
        tail = (1 - confidence) / 2
        ratio = stdtrit(requests - 1, tail) / stdtrit(self.degrees_of_freedom * growth, tail)
        return float(self.n_eff * growth * min(1.0, ratio**2))


def effective_size(
    strong: Booleans, weights: Floats, prompts: Integers, conversations: Integers
) -> EffectiveSize:
    """The effective size behind the weighted share of `strong`.

    Requests of one conversation, and requests with one prompt, are not independent. Where
    conversations are known the clusters are conversations (requests without one: equal
    prompts), else equal prompts; where both exist, the kind with the larger variance.

    Args:
        strong: bool[n], which requests go to the strong model.
        weights: float64[n], above 0.
        prompts: int64[n], ids from 0.
        conversations: int64[n], ids from 0, -1 where unknown.
    """
    by_prompt, prompt_count = dense(prompts)
    sizes = [_size(strong, weights, by_prompt, prompt_count, "prompt")]
    has_conversation = conversations >= 0
    if has_conversation.any():
        by_conversation, conversation_count = dense(conversations[has_conversation])
        mixed = by_prompt + conversation_count
        mixed[has_conversation] = by_conversation
        sizes.insert(0, _size(strong, weights, *dense(mixed), "conversation"))
    # By n_eff and not by V, because V is 0 for both kinds where the share is 0 or 1.
    return min(sizes, key=lambda size: size.n_eff)


def dense(ids: Integers) -> tuple[npt.NDArray[np.intp], int]:
    """Ids renumbered from 0 without holes, in the order of the ids, and how many there are."""
    if int(ids.max()) > 16 * len(ids):
        distinct, numbers = np.unique(ids, return_inverse=True)
        return numbers, len(distinct)
    present = np.bincount(ids) > 0
    numbers = np.cumsum(present) - 1
    return numbers[ids], int(numbers[-1]) + 1


def _size(
    strong: Booleans,
    weights: Floats,
    clusters: npt.NDArray[np.intp],
    count: int,
    kind: ClusterKind,
) -> EffectiveSize:
    n = len(strong)
    weights = weights / weights.max()  # the unit cancels; equal weights become exactly 1
    total = float(weights.sum())
    of_cluster = _sums(clusters, count, weights)
    share = float(weights[strong].sum()) / total
    kish = total**2 / float(of_cluster @ of_cluster)
    if count == 1 or share in (0.0, 1.0):
        return EffectiveSize(n, count, kind, share, 0.0, kish, None)

    squares = _sums(clusters, count, weights**2)
    residuals = _sums(clusters, count, weights * (strong - share))
    sum_of_squares = float(residuals @ residuals)
    spread = share * (1 - share)
    correlation = _correlation(sum_of_squares, spread, of_cluster, squares)
    model = correlation * of_cluster**2 + (1 - correlation) * squares
    bias, degrees_of_freedom = _bias_and_degrees_of_freedom(model, of_cluster / total)
    # (n - 1) / n, so that independent requests of equal weight have n_eff = n and not n - 1.
    variance = sum_of_squares / total**2 / bias * (n - 1) / n
    n_eff = min(float(n), spread / variance) if variance > 0 else float(n)
    return EffectiveSize(n, count, kind, share, variance, n_eff, degrees_of_freedom)


def _sums(clusters: npt.NDArray[np.intp], count: int, amounts: Floats) -> Floats:
    if count == len(amounts):  # each its own cluster; no sum below depends on their order
        return amounts
    return np.bincount(clusters, amounts).astype(np.float64, copy=False)


def _correlation(
    sum_of_squares: float, spread: float, of_cluster: Floats, squares: Floats
) -> float:
    """How alike the requests of one cluster are, from 0 to 1, by the method of moments.

    In a model where two requests of one cluster correlate by r, the sum of squared residuals
    is expected to be p(1-p) (r sum W_c^2 + (1-r) sum w_i^2), but for the C/(C-1) that
    estimating p costs. Solved for r.
    """
    whole, apart = float(of_cluster @ of_cluster), float(squares.sum())
    if whole - apart <= 1e-12 * whole:
        return 0.0  # one request in each cluster: nothing to be alike
    count = len(of_cluster)
    observed = sum_of_squares * count / (count - 1) / spread
    return min(1.0, max(0.0, (observed - apart) / (whole - apart)))


def _bias_and_degrees_of_freedom(model: Floats, leverage: Floats) -> tuple[float, float]:
    """What the sum of squared residuals is worth when clusters are few or of unequal size.

    Bell and McCaffrey (2002), with the working model of Imbens and Kolesar (2016). With
    independent cluster totals of variance a_c and residuals r_c = z_c - h_c sum z, the
    covariance of r is B = A - h a' - a h' + (sum a) h h'. Then E[r'r] = tr B, and the
    degrees of freedom that match its first two moments are (tr B)^2 / tr B^2. Clusters of one
    size give the usual (C - 1)/C and C - 1.

    Args:
        model: a_c, float64[clusters], in any unit.
        leverage: h_c, the cluster's share of the weight, float64[clusters].

    Returns:
        The factor by which the sum of squares is too small, and the degrees of freedom.
    """
    a, h = model / model.sum(), leverage
    # tr B as a sum of terms that are never negative: one cluster may hold nearly all weight.
    trace = float(a @ (1 - h) ** 2 + (h * h) @ (1 - a))
    aa, hh, ah = float(a @ a), float(h @ h), float(a @ h)
    aah, ahh = float((a * a) @ h), float(a @ (h * h))
    trace_of_square = aa + 2 * ahh - 4 * aah + 2 * ah**2 + 2 * hh * aa - 4 * ah * hh + hh**2
    # At least 1, as for any B of rank 1 or more; less can only be rounding.
    return trace, max(1.0, trace**2 / trace_of_square) if trace_of_square > 0 else 1.0
