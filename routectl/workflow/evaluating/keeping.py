"""What comes out of an evaluation, and how it is stored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from routectl import __version__
from routectl.evaluation.benchmark import JudgedPair
from routectl.routers import OpenRouter
from routectl.workflow.actor import actor
from routectl.workflow.evaluating.preparing import Question

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.evaluation.binned import BinnedFigures
    from routectl.evaluation.standing import OperatingPoint, Standing, Standings


@dataclass(frozen=True, slots=True)
class EvaluatedRouter:
    """One router's part."""

    router: OpenRouter
    evaluation_id: int
    standing: Standing
    scores: NDArray[np.float64]
    """Shape (n,), by row of the benchmark."""
    seen: int | None
    """Rows whose prompt it was trained on; None where its checkpoint does not say."""
    operating_points: Mapping[str, OperatingPoint]
    """By route: what its active calibration does here."""
    binned: BinnedFigures | None

    @property
    def name(self) -> str:
        return self.router.identity.name


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Routers on one benchmark."""

    judged: JudgedPair
    routers: list[EvaluatedRouter]
    standings: Standings
    """With the baselines."""
    length: Standing
    repeated: int
    """Rows whose prompt stands in an earlier row, too."""
    unseen_left_out: int
    created_at: datetime
    question: Question = field(repr=False)


def columns(
    part: EvaluatedRouter,
    stored_router: int,
    judged: JudgedPair,
    standings: Standings,
    created_at: datetime,
    question: Question,
) -> dict[str, object]:
    """The columns of the table `evaluations` of one router's part.

    Args:
        stored_router: its id in the store.
    """
    pair = part.router.identity.model_pair
    return {
        "created_at": created_at,
        "actor": actor(),
        "note": question.note,
        "package_version": __version__,
        "benchmark": judged.benchmark,
        "kind": "benchmark",
        "data_digest": judged.digest,
        "router_id": stored_router,
        "router": part.name,
        "fingerprint": part.router.identity.fingerprint,
        "strong_model": judged.pair.strong,
        "weak_model": judged.pair.weak,
        "seed": standings.seed,
        "draws": standings.draws,
        "confidence": standings.confidence,
        "strong_quality": part.standing.curve.strong_quality,
        "weak_quality": part.standing.curve.weak_quality,
        "figures": {
            name: None if estimate is None else finite(asdict(estimate))
            for name, estimate in part.standing.figures.items()
        },
        "details": {
            "strong_fraction_for_quality": {
                f"{quality:.10g}": finite(asdict(estimate))
                for quality, estimate in part.standing.reaches.items()
            },
            "router_pair": None if pair is None else asdict(pair),
            "scored_as": dict(part.router.identity.scored_as),
            "contaminated_left_out": judged.contaminated,
            "unanswered": judged.unanswered,
            "sample": question.sample,
            "seen_in_training": part.seen,
            "better_than": {
                other: finite(asdict(comparison))
                for other, comparison in part.standing.better_than.items()
            },
            "operating_points": {
                route: asdict(point) for route, point in part.operating_points.items()
            },
        },
    }


def finite(values: Mapping[str, object]) -> dict[str, object]:
    """With null for what JSON has no number for: an end of an interval that is not bounded."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }
