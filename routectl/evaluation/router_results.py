"""How good routers are on a benchmark: each figure with its interval, and the baselines.

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
    fraction_for_quality,
    random_curve,
    strong_fraction_for,
)
from routectl.policy import threshold_value

ORACLE, RANDOM = "oracle", "random"


@dataclass(frozen=True, slots=True)
class RouterResult:
    """One router, or one baseline, on one benchmark."""

    name: str
    curve: Curve
    figures: Mapping[str, Estimate | None]
    """By metric, "APGR" or "CPT(50%)"; None where the benchmark shows no gap to recover."""
    better_than: Mapping[str, Comparison]
    """By the other's name: whether this one's APGR is better. Empty without a gap."""
    fraction_for_quality: Mapping[float, Estimate]
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
class RouterResults:
    """All that were judged on the same rows."""

    routers: list[RouterResult]
    """As they were given."""
    random: RouterResult
    oracle: RouterResult
    draws: int
    seed: int
    confidence: float

    @property
    def gap(self) -> float:
        """Mean quality of the strong model less the weak one's."""
        return self.random.curve.gap


def evaluate_routers(
    scores: Mapping[str, ArrayLike],
    judged: JudgedPair,
    *,
    qualities: tuple[float, ...] = (),
    draws: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> RouterResults:
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
    sampled = bootstrap(
        {**scores, ORACLE: strong - weak},
        strong,
        weak,
        weights=judged.weights,
        strata=judged.strata,
        metrics=(*METRICS, *map(fraction_for_quality, qualities)),
        draws=draws,
        seed=seed,
    )
    estimates = _Estimates(sampled, confidence, qualities)
    random = random_curve(strong, weak, judged.weights)
    return RouterResults(
        routers=[estimates.result(name, tuple(scores)) for name in scores],
        random=estimates.of_random(random),
        oracle=estimates.result(ORACLE, ()),
        draws=draws,
        seed=seed,
        confidence=confidence,
    )


def operating_point(curve: Curve, threshold: str) -> OperatingPoint:
    """A router's strong fraction and quality on a benchmark at a threshold.

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
class _Estimates:
    sampled: Bootstrap
    confidence: float
    qualities: tuple[float, ...]

    def result(self, name: str, others: tuple[str, ...]) -> RouterResult:
        curve = self.sampled.curves[name]
        compared = {}
        if curve.gap > 0:
            estimate = self.sampled.estimate(name, APGR, self.confidence)
            compared[RANDOM] = _against(estimate, 0.5)
            for other in others:
                if other != name:
                    compared[other] = self.sampled.compare(name, other, APGR, self.confidence)
        figures = {
            str(metric): self.sampled.estimate(name, metric, self.confidence)
            if metric == AUC or curve.gap > 0
            else None
            for metric in METRICS
        }
        fractions = {
            quality: self.sampled.estimate(name, fraction_for_quality(quality), self.confidence)
            for quality in self.qualities
        }
        return RouterResult(name, curve, figures, compared, fractions)

    def of_random(self, curve: Curve) -> RouterResult:
        figures: dict[str, Estimate | None] = {}
        for metric in METRICS:
            value = _expected(metric, curve)
            figures[str(metric)] = None if value is None else Estimate(value, value, value)
        fractions = {}
        for quality in self.qualities:
            # Where never is the answer, it is so for certain.
            fraction = strong_fraction_for(curve, quality)
            end = math.inf if fraction is None else fraction
            fractions[quality] = Estimate(fraction, end, end)
        return RouterResult(RANDOM, curve, figures, {}, fractions)


def _expected(metric: Metric, curve: Curve) -> float | None:
    return metric.of(curve) if metric == AUC or curve.gap > 0 else None


def _against(estimate: Estimate, value: float) -> Comparison:
    """A figure of which more is better against one that is exact."""
    verdict: Literal["better", "worse", "can't tell"] = "can't tell"
    if estimate.low > value or estimate.high < value:
        verdict = "better" if estimate.low > value else "worse"
    difference = None if estimate.value is None else estimate.value - value
    return Comparison(difference, estimate.low - value, estimate.high - value, verdict)
