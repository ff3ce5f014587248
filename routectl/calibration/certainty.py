"""How sure a cut is, what could not be seen, and what a reader must be warned of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from routectl.calibration.arrays import Booleans
from routectl.calibration.cut import Cut
from routectl.calibration.effective_size import ClusterKind, dense, effective_size
from routectl.calibration.intervals import (
    Interval,
    long_run_interval,
    next_requests_interval,
    requests_for_half_width,
)
from routectl.calibration.sample import ScoredSample
from routectl.calibration.self_check import SelfCheck
from routectl.calibration.targets import StrongFraction
from routectl.policy import meets, threshold_value

ROUGH_BELOW = 100
"""Clusters below which every statement about certainty is rough."""

MANY_UNDECIDED = 0.005
"""Share of requests within the noise of the threshold above which a warning is due."""


@dataclass(frozen=True, slots=True)
class Certainty:
    """What a cut rests on. Plain values; `asdict` gives JSON."""

    requests: int
    """Requests with a score, unweighted."""
    prompts: int
    """Distinct prompts among them."""
    clusters: int
    cluster_kind: ClusterKind
    n_eff: float
    """Independent requests that the sample is worth, for this share."""
    n_eff_corrected: float
    """`n_eff` after the t correction; the n of both intervals."""
    degrees_of_freedom: float | None
    """None where the share is 0 or 1, or there is a single cluster."""
    long_run: Interval
    """For the share of all requests to come, at this threshold."""
    next_requests: int
    next_share: Interval
    """For the share of the next `next_requests` requests. Wider than `long_run`."""
    requests_for_one_point: int
    """Requests that a long-run interval of +-1 point takes."""
    undecided: float
    """Weighted share of the requests whose score is so near the threshold that the noise can
    turn the decision."""
    excluded: float
    """Weighted requests of the population that have no score."""
    strong_fraction_low: float
    """The strong fraction if all excluded requests went to the weak model, and below, if all
    went to the strong one."""
    strong_fraction_high: float

    @property
    def rough(self) -> bool:
        """There are fewer than 100 clusters."""
        return self.clusters < ROUGH_BELOW

    @property
    def many_undecided(self) -> bool:
        """`undecided` is above 0.5 %."""
        return self.undecided > MANY_UNDECIDED


def certainty_of(
    sample: ScoredSample,
    cut: Cut,
    *,
    noise: float,
    excluded_weight: float,
    confidence: float,
    next_requests: int,
) -> Certainty:
    """How sure the share of a cut is.

    Args:
        cut: of this sample.
        noise: the largest difference between two scores of one prompt by this router.
        excluded_weight: weighted requests of the population that have no score.
        confidence: of both intervals, in (0, 1).
        next_requests: N of the statement about the next N requests, at least 1.
    """
    # The exported text decides, as it will in the proxy.
    threshold = threshold_value(cut.threshold)
    strong = meets(sample.win_rates, threshold)
    size = effective_size(strong, sample.weights, sample.prompts, sample.conversations)
    weight = float(sample.weights.sum())
    strong_weight = cut.strong_fraction * weight
    return Certainty(
        requests=len(sample),
        prompts=dense(sample.prompts)[1],
        clusters=size.clusters,
        cluster_kind=size.cluster_kind,
        n_eff=size.n_eff,
        n_eff_corrected=size.corrected(confidence),
        degrees_of_freedom=size.degrees_of_freedom,
        long_run=long_run_interval(size, confidence),
        next_requests=next_requests,
        next_share=next_requests_interval(size, next_requests, confidence),
        requests_for_one_point=requests_for_half_width(size, 0.01, confidence),
        undecided=_undecided(sample, threshold, noise, weight),
        excluded=excluded_weight,
        strong_fraction_low=strong_weight / (weight + excluded_weight),
        strong_fraction_high=(strong_weight + excluded_weight) / (weight + excluded_weight),
    )


def _undecided(sample: ScoredSample, threshold: float, noise: float, weight: float) -> float:
    near: Booleans = (sample.win_rates >= threshold - noise) & (
        sample.win_rates < threshold + noise
    )
    return float(sample.weights[near].sum()) / weight


CaveatCode = Literal[
    "scores_of_one",
    "tie",
    "few_clusters",
    "many_undecided",
    "check_in_time_failed",
    "cost_unknown",
    "longer_than_read",
]


@dataclass(frozen=True, slots=True)
class Caveat:
    """Something that a reader must know before they use the threshold; the printer words it."""

    code: CaveatCode
    facts: Mapping[str, float | str] = field(default_factory=dict)
    """By name; shares are in [0, 1]."""


def caveats(
    target: StrongFraction,
    cut: Cut,
    certainty: Certainty,
    self_check: SelfCheck | None,
    longer_than_read: float,
) -> list[Caveat]:
    """What a reader must be warned of, the gravest first.

    Args:
        longer_than_read: weighted share of the requests whose prompt is longer than the router
            reads.
    """
    due: list[Caveat] = []
    if cut.lowest_share is not None:
        due.append(Caveat("scores_of_one", {"lowest_share": cut.lowest_share}))
    elif cut.tie is not None:
        tie = cut.tie
        due.append(
            Caveat(
                "tie",
                {
                    "target": target.share,
                    "score": tie.score,
                    "requests": tie.requests,
                    "share_below": tie.share_below,
                    "share_above": tie.share_above,
                },
            )
        )
    if certainty.rough:
        due.append(
            Caveat(
                "few_clusters",
                {"clusters": certainty.clusters, "cluster_kind": certainty.cluster_kind},
            )
        )
    if certainty.many_undecided:
        due.append(Caveat("many_undecided", {"undecided": certainty.undecided}))
    if self_check is not None and not self_check.inside:
        due.append(Caveat("check_in_time_failed"))
    if cut.spending is not None and cut.spending.known_share < 1:
        due.append(Caveat("cost_unknown", {"unknown": 1 - cut.spending.known_share}))
    if longer_than_read > 0:
        due.append(Caveat("longer_than_read", {"longer_than_read": longer_than_read}))
    return due
