"""How good routers are: judged on benchmarks, kept, and compared."""

from routectl.evaluation.reading import find_benchmark
from routectl.workflow.evaluating.preparing import Question
from routectl.workflow.evaluating.run import evaluate
from routectl.workflow.evaluating.store_rows import Evaluated, EvaluatedRouter
from routectl.workflow.evaluating.stored import (
    Compared,
    StoredEvaluation,
    compare_evaluations,
    list_evaluations,
    show_evaluation,
    stored_estimate,
)

__all__ = [
    "Compared",
    "Evaluated",
    "EvaluatedRouter",
    "Question",
    "StoredEvaluation",
    "compare_evaluations",
    "evaluate",
    "find_benchmark",
    "list_evaluations",
    "show_evaluation",
    "stored_estimate",
]
