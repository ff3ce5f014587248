"""How similar a benchmark is to training data: RouteLLM's Table 5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from routectl.evaluation.benchmark import JudgedPair
from routectl.judging.prompts import read_training_prompts
from routectl.preferences.contamination import SIMILAR
from routectl.similarity import ROUNDING, MeanSimilarity, mean_similarity, nearest
from routectl.workflow.embedding import embed, open_for_comparison
from routectl.workflow.reporter import Reporter


@dataclass(frozen=True, slots=True)
class TrainingSimilarity:
    """How similar a benchmark's prompts are to training data."""

    similarity: MeanSimilarity
    """The mean over the rows of the largest cosine to a training prompt."""
    similar: int
    """Rows at `SIMILAR` or above: the same question, by RouteLLM's section 5.1."""
    training_prompts: int
    embedder: str


def training_similarities(
    judged: Sequence[JudgedPair], files: Sequence[Path], reporter: Reporter
) -> list[TrainingSimilarity]:
    """Compare each benchmark with the prompts of training data, all by the default embedder.

    Args:
        files: of battles or gold labels.

    Raises:
        InputError: a file cannot be read, or holds neither.
    """
    import numpy as np

    trained = read_training_prompts(files)
    model = open_for_comparison(None, "the training data and the benchmarks", reporter)
    vectors = embed(model, trained, "embedding the training data", reporter)
    similarities = []
    for benchmark in judged:
        distinct = list(dict.fromkeys(benchmark.prompts))
        cosine = nearest(
            embed(model, distinct, f"embedding {benchmark.benchmark}", reporter), vectors
        ).cosine
        by_prompt = dict(zip(distinct, cosine, strict=True))
        largest = np.array([by_prompt[prompt] for prompt in benchmark.prompts], dtype=np.float32)
        similarities.append(
            TrainingSimilarity(
                mean_similarity(largest, np.ones(len(largest))),
                int((largest >= SIMILAR - ROUNDING).sum()),
                len(trained),
                model.name,
            )
        )
    return similarities
