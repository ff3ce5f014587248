"""How long it takes to train mf, compared with the published way: batches of 64 with Adam.

    python research/mf_training_speed.py [--gold FILE ... --where 'COLUMN!=VALUE' ...]

Vectors are given; the seconds are CPU time of one thread, which other work on the machine hardly
moves. The peer is written from RouteLLM's section 4.2.2 and its published settings: a vector of
128 numbers for each model, batches of 64 comparisons, Adam with learning rate 3e-4 and weight
decay 1e-5, noise on the input. It runs until its held-out loss (without noise) has not fallen for
two epochs, and is charged up to the end of its best epoch. Compared is the fit of `routectl
train mf`, from start to end and the median of three, on the same training and held-out comparisons.
Printed are seconds, held-out losses in nats, and the ratio of the peer's seconds to ours.

Without --gold: 55,000 battles on distinct prompts with vectors of 384 random numbers, of 20 models
whose answers follow a known rule with a vector for each model. With it: those tables, embedded by
the default embedder.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routectl.embedding import open_embedder
from routectl.preferences.comparisons import (
    Comparisons,
    VsPerfect,
    rating_loss,
    ratings,
    read_comparisons,
)
from routectl.records import Condition
from routectl.training.fits.difficulty import DifficultySettings, fit_difficulty

BATTLES, MODELS, DIMENSION, SEED = 55_000, 20, 384, 0
BATCH, PATIENCE, MOST_EPOCHS = 64, 2, 30
RUNS = 3


def made_up() -> tuple[NDArray[np.float32], Comparisons]:
    """Battles whose winners follow a matrix factorization: ratings, and a line with departures."""
    generator = np.random.default_rng(SEED)
    vectors = generator.normal(size=(BATTLES, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rating = np.linspace(-1, 1, MODELS)
    shared = generator.normal(size=DIMENSION)
    own = generator.normal(size=(MODELS, DIMENSION))
    scores = rating + vectors @ (rating[:, None] * shared * 1.5 + 0.3 * own).T
    a = generator.integers(0, MODELS, BATTLES)
    b = (a + generator.integers(1, MODELS, BATTLES)) % MODELS
    rows = np.arange(BATTLES)
    won = generator.random(BATTLES) < 1 / (1 + np.exp(scores[rows, b] - scores[rows, a]))
    empty = np.array([], dtype=np.int32)
    return vectors, Comparisons(
        tuple(map(str, rows)),
        tuple(f"model-{number:02d}" for number in range(MODELS)),
        rows.astype(np.int32),
        a.astype(np.int32),
        b.astype(np.int32),
        won.astype(np.float32),
        np.ones(BATTLES, dtype=np.float32),
        BATTLES,
        0,
        np.zeros(BATTLES, dtype=np.int32),
        VsPerfect(empty, empty, empty.astype(np.float32), empty.astype(np.float32)),
    )


def adam(
    vectors: NDArray[np.float32], training: Comparisons, held_out: Comparisons
) -> tuple[float, float]:
    """The peer's seconds up to the end of its best epoch, and the held-out loss there."""
    import torch

    torch.manual_seed(SEED)
    width, dimension = vectors.shape[1], 128
    model = torch.nn.Embedding(len(training.models), dimension)
    projection = torch.nn.Linear(width, dimension, bias=False)
    classifier = torch.nn.Linear(dimension, 1, bias=False)
    parameters = [*model.parameters(), *projection.parameters(), *classifier.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=3e-4, weight_decay=1e-5)
    inputs = torch.from_numpy(vectors)

    def logits(source: Comparisons, rows: NDArray[np.intp], noise: float) -> torch.Tensor:
        q = inputs[torch.from_numpy(source.prompt[rows].astype(np.int64))]
        if noise:
            q = q + noise * torch.randn_like(q)
        a, b = (
            torch.nn.functional.normalize(model(torch.from_numpy(side[rows].astype(np.int64))))
            for side in (source.model_a, source.model_b)
        )
        return classifier((a - b) * projection(q)).squeeze(1)

    def loss(source: Comparisons, rows: NDArray[np.intp], noise: float) -> torch.Tensor:
        return torch.nn.functional.binary_cross_entropy_with_logits(
            logits(source, rows, noise),
            torch.from_numpy(source.outcome[rows]),
            weight=torch.from_numpy(source.weight[rows]),
            reduction="sum",
        )

    generator = np.random.default_rng(SEED)
    weight = float(held_out.weight.sum())
    best, best_epoch, best_seconds, seconds = float("inf"), 0, 0.0, 0.0
    for epoch in range(1, MOST_EPOCHS + 1):
        started = time.process_time()
        order = generator.permutation(len(training))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            # The noise has the published length, 0.05, whatever the dimension.
            value = loss(training, rows, 0.05 / width**0.5) / float(training.weight[rows].sum())
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        seconds += time.process_time() - started
        with torch.no_grad():
            chunks = np.array_split(np.arange(len(held_out)), len(held_out) // 50_000 + 1)
            measured = sum(float(loss(held_out, chunk, 0.0)) for chunk in chunks) / weight
        print(f"  Adam, epoch {epoch}: {seconds:.1f} s, held-out loss {measured:.5f}", flush=True)
        if measured < best:
            best, best_epoch, best_seconds = measured, epoch, seconds
        elif epoch - best_epoch >= PATIENCE:
            break
    return best_seconds, best


def compare(vectors: NDArray[np.float32], comparisons: Comparisons) -> None:
    """Train in both ways on the same comparisons and print what they cost and reach."""
    held_out_prompts = np.random.default_rng(SEED).random(len(comparisons.prompts)) < 0.1
    training = comparisons.of_prompts(~held_out_prompts)
    held_out = comparisons.of_prompts(held_out_prompts)
    print(
        f"{len(training):,} comparisons to learn from, {len(held_out):,} held out; ratings alone "
        f"have a held-out loss of {rating_loss(ratings(training), held_out):.5f}"
    )
    seconds, loss = adam(vectors, training, held_out)
    print("| training | seconds | held-out loss | Adam's time over its own |")
    print("|---|---|---|---|")
    print(f"| Adam, batches of {BATCH} | {seconds:.1f} | {loss:.5f} | 1 |")
    seconds_of_each = []
    for _ in range(RUNS):
        started = time.process_time()
        curve = fit_difficulty(
            vectors, training, held_out, DifficultySettings(), lambda *_: None
        ).curve
        seconds_of_each.append(time.process_time() - started)
    took = statistics.median(seconds_of_each)
    reached = curve.held_out[curve.best_epoch - 1]
    print(f"| `train mf` | {took:.2f} | {reached:.5f} | {seconds / took:.1f} |", flush=True)


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gold", type=Path, nargs="+")
    parser.add_argument("--where", action="append", default=[], metavar="COLUMN!=VALUE")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.gold:
        pairs = (text.split("!=", 1) for text in arguments.where)
        conditions = [Condition(column, "!=", value) for column, value in pairs]
        comparisons = read_comparisons([], arguments.gold, conditions)
        vectors = open_embedder().embed(comparisons.prompts)
    else:
        vectors, comparisons = made_up()
    compare(vectors, comparisons)


if __name__ == "__main__":
    main()
