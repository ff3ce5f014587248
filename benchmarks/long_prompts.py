"""What to read of a prompt that is longer than the embedder reads: head, or head and tail?

    python benchmarks/long_prompts.py --gold FILE [--gold FILE ...] [--where COND ...]

Trains mf by five-fold cross-validation on the gold tables, once on each reading, and judges both on
the held-out prompts that are longer than the embedder reads. Printed are the cross-entropy of all
comparisons on those prompts (nats, lower is better) with the difference's standard error over
prompts, and the APGR of the default pair.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routectl.embedding import READS, open_embedder
from routectl.evaluation.metrics import apgr, quality_curve
from routectl.preferences.comparisons import Comparisons, read_comparisons
from routectl.records import Condition, ModelPair
from routectl.routers.mf import Factors
from routectl.training.fits.factorize import Settings, factorize

FOLDS = 5
PAIR = ModelPair("gemini-1.5-pro-002", "Mixtral-8x7B-Instruct-v0.1")


def held_out_logits(
    vectors: NDArray[np.float32], comparisons: Comparisons, pair: ModelPair
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logits of every comparison, and the pair's of every prompt, each when it was held out."""
    fold = np.random.default_rng(0).integers(0, FOLDS, len(comparisons.prompts))
    logits = np.empty(len(comparisons))
    pair_logits = np.empty(len(comparisons.prompts))
    for number in range(FOLDS):
        stopping = fold == (number + 1) % FOLDS
        training = comparisons.of_prompts((fold != number) & ~stopping)
        fit = factorize(
            vectors, training, comparisons.of_prompts(stopping), Settings(), 0, lambda *_: None
        )
        scores = (vectors @ fit.projection.T) @ (fit.weights * fit.model_vectors).T
        rows = fold[comparisons.prompt] == number
        at = comparisons.prompt[rows]
        a, b = comparisons.model_a[rows], comparisons.model_b[rows]
        logits[rows] = scores[at, a] - scores[at, b]
        factors = Factors(comparisons.models, fit.model_vectors, fit.projection, fit.weights)
        pair_logits[fold == number] = (vectors @ factors.direction(pair))[fold == number]
    return logits, pair_logits


def loss_by_prompt(logits: NDArray[np.float64], comparisons: Comparisons) -> NDArray[np.float64]:
    """Mean cross-entropy of each prompt's comparisons, shape (prompts,); NaN where it has none."""
    losses = np.logaddexp(0, logits) - comparisons.outcome * logits
    count = len(comparisons.prompts)
    with np.errstate(invalid="ignore"):
        return np.bincount(comparisons.prompt, losses * comparisons.weight, count) / np.bincount(
            comparisons.prompt, comparisons.weight, count
        )


def pair_apgr(
    pair_logits: NDArray[np.float64],
    comparisons: Comparisons,
    pair: ModelPair,
    wanted: NDArray[np.bool_],
) -> float:
    """APGR of the pair on the wanted prompts on which both models were asked."""
    strong, weak = (comparisons.models.index(name) for name in (pair.strong, pair.weak))
    forward = (comparisons.model_a == strong) & (comparisons.model_b == weak)
    backward = (comparisons.model_a == weak) & (comparisons.model_b == strong)
    rows = (forward | backward) & wanted[comparisons.prompt]
    gain = (np.where(forward, 1, -1) * (2.0 * comparisons.outcome - 1))[rows]
    return apgr(quality_curve(pair_logits[comparisons.prompt[rows]], gain, np.zeros(len(gain))))


def report(
    vectors: dict[str, NDArray[np.float32]],
    longer: NDArray[np.bool_],
    comparisons: Comparisons,
    pair: ModelPair,
) -> None:
    """Print the figures of each reading, and the difference of the losses."""
    losses = {}
    for reads, of_reading in vectors.items():
        logits, pair_logits = held_out_logits(of_reading, comparisons, pair)
        losses[reads] = loss_by_prompt(logits, comparisons)[longer]
        print(
            f"{reads}: {longer.sum():,} long prompts of {len(longer):,}, "
            f"loss {np.nanmean(losses[reads]):.4f}, "
            f"APGR of {pair}: {pair_apgr(pair_logits, comparisons, pair, longer):.3f}"
        )
    difference = losses["head_tail"] - losses["head"]
    difference = difference[np.isfinite(difference)]
    error = difference.std(ddof=1) / len(difference) ** 0.5
    print(f"head_tail less head: {difference.mean():+.4f} (standard error {error:.4f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gold", type=Path, action="append", required=True)
    parser.add_argument("--where", action="append", default=[], metavar="COLUMN!=VALUE")
    arguments = parser.parse_args()
    conditions = []
    for text in arguments.where:
        column, value = text.split("!=", 1)
        conditions.append(Condition(column, "!=", value))
    comparisons = read_comparisons([], arguments.gold, conditions)
    embedders = {reads: open_embedder(reads=reads) for reads in READS}
    longer = embedders["head"].longer_than_read(comparisons.prompts)
    head = embedders["head"].embed(comparisons.prompts)
    both = head.copy()
    both[longer] = embedders["head_tail"].embed(
        [prompt for prompt, is_longer in zip(comparisons.prompts, longer, strict=True) if is_longer]
    )
    report({"head": head, "head_tail": both}, longer, comparisons, PAIR)


if __name__ == "__main__":
    main()
