"""What comes out of an evaluation, and how it is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from routectl import __version__
from routectl.evaluation.benchmark import JudgedPair
from routectl.routers import OpenRouter
from routectl.store.engine import Store
from routectl.store.evaluations import EvaluatedRows, add_evaluation
from routectl.workflow.actor import actor
from routectl.workflow.evaluating.benchmark_costs import BenchmarkCosts
from routectl.workflow.evaluating.preparing import Question
from routectl.workflow.evaluating.similarity import TrainingSimilarity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.evaluation.binned import BinnedFigures
    from routectl.evaluation.router_results import OperatingPoint, RouterResult, RouterResults


@dataclass(frozen=True, slots=True)
class EvaluatedRouter:
    """One router's part."""

    router: OpenRouter
    router_id: int
    """In the store."""
    evaluation_id: int | None
    """None as long as it is not stored."""
    result: RouterResult
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
    results: RouterResults
    """With the baselines."""
    length: RouterResult
    repeated: int
    """Rows whose prompt is in an earlier row, too."""
    unseen_left_out: int
    training_similarity: TrainingSimilarity | None
    """To the training data that the question names; None where it names none."""
    costs: BenchmarkCosts | None
    """None where they are not known."""
    created_at: datetime
    question: Question = field(repr=False)
    plots: Sequence[Path] = ()
    """The pictures that were drawn."""


def store_evaluated(store: Store, evaluated: Evaluated, prompt_ids: Mapping[str, int]) -> Evaluated:
    """Store one evaluation for each router, all or none; returns them with their ids.

    Args:
        prompt_ids: by text.
    """
    import numpy as np

    judged = evaluated.judged
    prompts = np.array([prompt_ids[prompt] for prompt in judged.prompts], dtype=np.int64)
    parts = []
    with store.write() as connection:
        for part in evaluated.routers:
            rows = EvaluatedRows(
                prompts=prompts,
                win_rates=part.scores,
                strong_quality=judged.strong_quality,
                weak_quality=judged.weak_quality,
                strong_cost=judged.strong_cost,
                weak_cost=judged.weak_cost,
            )
            stored = add_evaluation(connection, _columns(part, evaluated), rows)
            parts.append(replace(part, evaluation_id=stored))
    return replace(evaluated, routers=parts)


def _columns(part: EvaluatedRouter, evaluated: Evaluated) -> dict[str, object]:
    judged, results, question = evaluated.judged, evaluated.results, evaluated.question
    similarity, costs = evaluated.training_similarity, evaluated.costs
    pair = part.router.identity.model_pair
    return {
        "created_at": evaluated.created_at,
        "actor": actor(),
        "note": question.note,
        "package_version": __version__,
        "benchmark": judged.benchmark,
        "kind": "benchmark",
        "data_digest": judged.digest,
        "router_id": part.router_id,
        "router": part.name,
        "fingerprint": part.router.identity.fingerprint,
        "strong_model": judged.pair.strong,
        "weak_model": judged.pair.weak,
        "seed": results.seed,
        "draws": results.draws,
        "confidence": results.confidence,
        "strong_quality": part.result.curve.strong_quality,
        "weak_quality": part.result.curve.weak_quality,
        "figures": {
            name: None if estimate is None else estimate.to_json()
            for name, estimate in part.result.figures.items()
        },
        "details": {
            "strong_fraction_for_quality": {
                f"{quality:.10g}": estimate.to_json()
                for quality, estimate in part.result.fraction_for_quality.items()
            },
            "router_pair": None if pair is None else asdict(pair),
            "scored_as": dict(part.router.identity.scored_as),
            "contaminated_left_out": judged.contaminated,
            "unanswered": judged.unanswered,
            "sample": question.sample,
            "seen_in_training": part.seen,
            "resemblance": None if similarity is None else asdict(similarity),
            "costs": None
            if costs is None
            else costs.to_json() | costs.routers[part.result.name].to_json(),
            "better_than": {
                other: comparison.to_json() for other, comparison in part.result.better_than.items()
            },
            "operating_points": {
                route: asdict(point) for route, point in part.operating_points.items()
            },
        },
    }
