"""How routers stand on a benchmark: each figure with its interval, beside the baselines.

The baselines are always there: `random`, which is its exact expectation and not a draw; `length`,
whose scores the caller gives like a router's; and `oracle`, the best that any router can do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from numpy.typing import ArrayLike

from routectl.errors import InputError
from routectl.evaluation.benchmark import JudgedPair
from routectl.evaluation.bootstrap import METRICS, Bootstrap, Comparison, Estimate, bootstrap
from routectl.evaluation.metrics import (
    APGR,
    AUC,
    Curve,
    Metric,
    random_curve,
    reach,
    strong_fraction_for,
)
from routectl.policy import threshold_value

ORACLE, RANDOM = "oracle", "random"


@dataclass(frozen=True, slots=True)
class Standing:
    """One router, or one baseline, on one benchmark."""

    name: str
    curve: Curve
    figures: Mapping[str, Estimate | None]
    """By metric, "APGR" or "CPT(50%)"; None where the benchmark shows no gap to recover."""
    better_than: Mapping[str, Comparison]
    """By the other's name: whether this one's APGR is better. Empty without a gap."""
    reaches: Mapping[float, Estimate]
    """By asked quality: the least strong fraction that has it."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a router does to the benchmark at one threshold."""

    threshold: str
    strong_fraction: float
    quality: float
    """Mean, in the benchmark's own unit."""
    gap_recovered: float | None
    """PGR; None where there is no gap to recover."""


@dataclass(frozen=True, slots=True)
class Standings:
    """All that were judged on the same rows."""

    routers: list[Standing]
    """As they were given."""
    random: Standing
    oracle: Standing
    draws: int
    seed: int
    confidence: float

    @property
    def gap(self) -> float:
        """Mean quality of the strong model less the weak one's."""
        return self.random.curve.gap


def stand(
    scores: Mapping[str, ArrayLike],
    judged: JudgedPair,
    *,
    qualities: tuple[float, ...] = (),
    draws: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Standings:
    """Judge routers on the same rows and the same draws of them.

    Args:
        scores: by router, shape (n,), high = strong model.
        qualities: mean qualities whose strong fractions are asked for, in the benchmark's unit.
        draws: of the bootstrap, at least 1.
        confidence: of the intervals, in (0, 1).

    Raises:
        InputError: as `metrics.quality_curve`; or a router has a baseline's name.
    """
    for name in (ORACLE, RANDOM):
        if name in scores:
            raise InputError(f"{name} is a baseline that every evaluation has; leave it out.")
    strong, weak = judged.strong_quality, judged.weak_quality
    found = bootstrap(
        {**scores, ORACLE: strong - weak},
        strong,
        weak,
        weights=judged.weights,
        strata=judged.strata,
        metrics=(*METRICS, *map(reach, qualities)),
        draws=draws,
        seed=seed,
    )
    lot = _Lot(found, confidence, qualities)
    straight = random_curve(strong, weak, judged.weights)
    return Standings(
        routers=[lot.standing(name, tuple(scores)) for name in scores],
        random=lot.of_random(straight),
        oracle=lot.standing(ORACLE, ()),
        draws=draws,
        seed=seed,
        confidence=confidence,
    )


def operate(curve: Curve, threshold: str) -> OperatingPoint:
    """What a threshold does to a benchmark.

    Args:
        curve: of the router on the benchmark.
        threshold: as a config string holds it; a row goes to the strong model iff its score is at
            least this.
    """
    cut, gap = curve.table.at(threshold_value(threshold)), curve.gap
    return OperatingPoint(
        threshold,
        strong_fraction=float(curve.strong_fraction[cut]),
        quality=float(curve.quality[cut]),
        gap_recovered=float(curve.gain[cut]) / gap if gap > 0 else None,
    )


@dataclass(frozen=True, slots=True)
class _Lot:
    found: Bootstrap
    confidence: float
    qualities: tuple[float, ...]

    def standing(self, name: str, others: tuple[str, ...]) -> Standing:
        curve = self.found.curves[name]
        compared = {}
        if curve.gap > 0:
            estimate = self.found.estimate(name, APGR, self.confidence)
            compared[RANDOM] = _against(estimate, 0.5)
            for other in others:
                if other != name:
                    compared[other] = self.found.compare(name, other, APGR, self.confidence)
        figures = {
            str(metric): self.found.estimate(name, metric, self.confidence)
            if metric == AUC or curve.gap > 0
            else None
            for metric in METRICS
        }
        reaches = {
            quality: self.found.estimate(name, reach(quality), self.confidence)
            for quality in self.qualities
        }
        return Standing(name, curve, figures, compared, reaches)

    def of_random(self, curve: Curve) -> Standing:
        figures: dict[str, Estimate | None] = {}
        for metric in METRICS:
            value = _expected(metric, curve)
            figures[str(metric)] = None if value is None else Estimate(value, value, value)
        reaches = {}
        for quality in self.qualities:
            # Where never is the answer, it is so for certain.
            found = strong_fraction_for(curve, quality)
            end = math.inf if found is None else found
            reaches[quality] = Estimate(found, end, end)
        return Standing(RANDOM, curve, figures, {}, reaches)


def _expected(metric: Metric, curve: Curve) -> float | None:
    return metric.of(curve) if metric == AUC or curve.gap > 0 else None


def _against(estimate: Estimate, value: float) -> Comparison:
    """A figure of which more is better against one that is exact."""
    verdict: Literal["better", "worse", "can't tell"] = "can't tell"
    if estimate.low > value or estimate.high < value:
        verdict = "better" if estimate.low > value else "worse"
    difference = None if estimate.value is None else estimate.value - value
    return Comparison(difference, estimate.low - value, estimate.high - value, verdict)
