"""Evaluations of the routers on judged prompts, and their storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from routectl import __version__
from routectl.errors import EndpointError
from routectl.judging.verdicts import JudgedPrompt
from routectl.records import ModelPair, RouterIdentity
from routectl.store.engine import Location
from routectl.store.evaluations import EvaluatedRows, add_evaluation
from routectl.store.opening import open_store
from routectl.workflow.actor import actor
from routectl.workflow.judging import JudgingReport
from routectl.workflow.judging.planning import ANSWERS, call_name
from routectl.workflow.labelling.drawing import FEWEST_PROMPTS, DrawnTraffic, Question

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.evaluation.answering import Answer
    from routectl.evaluation.benchmark import JudgedPair

TRAFFIC = "traffic"
"""The value of `evaluations.benchmark` where the prompts were traffic."""
_QUALITY: Mapping[str, float] = {"model_a": 1.0, "tie": 0.5, "model_b": 0.0}
"""Of the strong model, by winner; the weak model's is what is left of 1."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of the requests by winner."""

    strong_won: float
    ties: float
    weak_won: float


@dataclass(frozen=True, slots=True)
class LabelledRouter:
    """One router's evaluation."""

    router: RouterIdentity
    evaluation_id: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class JudgedRows:
    """Prompts that have a verdict. n of them."""

    drawn_rows: NDArray[np.int64]
    """Shape (n,), of the drawn prompts."""
    prompts: tuple[str, ...]
    strong_quality: NDArray[np.float64]
    """Shape (n,): 1 where the strong model won, 0.5 for a tie."""
    weights: NDArray[np.float64]
    strata: NDArray[np.int64]
    strong_cost: NDArray[np.float64]
    """Shape (n,), US dollars of the strong model's answer."""
    weak_cost: NDArray[np.float64]

    @classmethod
    def of(
        cls, drawn: DrawnTraffic, judged: Sequence[JudgedPrompt], costs: Mapping[str, Decimal]
    ) -> JudgedRows:
        """The prompts with a verdict; they stand for those without one in their strata.

        Raises:
            EndpointError: there are too few.
        """
        import numpy as np

        from routectl.evaluation.strata import remaining

        kept = np.array([result.winner is not None for result in judged])
        if kept.sum() < FEWEST_PROMPTS:
            raise EndpointError(
                f"only {int(kept.sum())} of {len(kept):,} prompts has a verdict, and nothing can "
                "be said of so few; try another judge, or a larger --max-tokens or --verdict-tokens"
            )
        weights, strata = remaining(drawn.weights, drawn.strata, kept)
        prompts = tuple(result.prompt for result in judged if result.winner is not None)
        strong_cost, weak_cost = (
            np.array([float(costs[call_name(prompt, role)]) for prompt in prompts])
            for role in ANSWERS
        )
        return cls(
            drawn_rows=np.flatnonzero(kept),
            prompts=prompts,
            strong_quality=np.array(
                [_QUALITY[result.winner] for result in judged if result.winner is not None]
            ),
            weights=weights,
            strata=strata,
            strong_cost=strong_cost,
            weak_cost=weak_cost,
        )

    @property
    def shares(self) -> Shares:
        """Shares of the requests by winner."""
        return Shares(
            *(
                float(self.weights[self.strong_quality == quality].sum() / self.weights.sum())
                for quality in (1.0, 0.5, 0.0)
            )
        )

    def as_pair(self, pair: ModelPair) -> JudgedPair:
        """The rows as a benchmark, as `evaluation.metrics` takes them."""
        from routectl.evaluation.benchmark import JudgedPair

        return JudgedPair(
            benchmark=TRAFFIC,
            pair=pair,
            prompts=self.prompts,
            strong_quality=self.strong_quality,
            weak_quality=1 - self.strong_quality,
            strong_cost=self.strong_cost,
            weak_cost=self.weak_cost,
            weights=self.weights,
            strata=self.strata,
        )


def evaluate(
    location: Location,
    drawn: DrawnTraffic,
    rows: JudgedRows,
    report: JudgingReport,
    question: Question,
) -> list[LabelledRouter]:
    """Answer for each router, and store the evaluations together."""
    from routectl.evaluation.answering import answers

    judged = rows.as_pair(report.pair)
    scores = {str(n): rates[rows.drawn_rows] for n, rates in enumerate(drawn.win_rates)}
    answer_by_router = answers(
        scores,
        judged,
        draws=question.draws,
        seed=question.seed,
        confidence=question.confidence,
    )
    weights = rows.weights / rows.weights.sum()
    strong_quality = float(weights @ rows.strong_quality)
    shared = {
        "created_at": datetime.now(UTC),
        "actor": actor(),
        "note": question.note,
        "package_version": __version__,
        "benchmark": TRAFFIC,
        "kind": "traffic",
        "data_digest": judged.digest,
        "strong_model": report.pair.strong,
        "weak_model": report.pair.weak,
        "seed": question.seed,
        "draws": question.draws,
        "confidence": question.confidence,
        "strong_quality": strong_quality,
        "weak_quality": 1 - strong_quality,
    }
    labelled = []
    with open_store(location) as store, store.write() as connection:
        for n, (router, router_id) in enumerate(zip(drawn.routers, drawn.router_ids, strict=True)):
            answer, identity = answer_by_router[str(n)], router.identity
            columns = {
                **shared,
                "router_id": router_id,
                "router": identity.name,
                "fingerprint": identity.fingerprint,
                "figures": {
                    name: figure and figure.to_json() for name, figure in answer.figures.items()
                },
                "details": {
                    "router_pair": identity.model_pair and asdict(identity.model_pair),
                    "scored_as": dict(identity.scored_as),
                    "population": question.population.to_json(),
                    "better_than_random": answer.better_than_random,
                    "gap": answer.gap.to_json() | {"is": answer.gap_is},
                    "prompts_needed": answer.needed,
                    "shares": asdict(rows.shares),
                    "stratified_by": drawn.routers[0].identity.fingerprint,
                    "sample": question.sample,
                    "distinct_prompts": drawn.distinct,
                    "requests": drawn.requests,
                    "excluded": drawn.excluded,
                    "judge": report.judge,
                    "judge_prompt": report.judge_prompt,
                    "tally": asdict(report.tally),
                    "cost": float(report.cost),
                },
            }
            stored = EvaluatedRows(
                prompts=drawn.ids[rows.drawn_rows],
                win_rates=scores[str(n)],
                strong_quality=rows.strong_quality,
                weak_quality=1 - rows.strong_quality,
                weights=rows.weights,
                strata=rows.strata,
                strong_cost=rows.strong_cost,
                weak_cost=rows.weak_cost,
            )
            evaluation_id = add_evaluation(connection, columns, stored)
            labelled.append(LabelledRouter(identity, evaluation_id, answer))
    return labelled
