"""How many labels of its own prompts does a team need? `train mf` on n of a benchmark's own labels.

    python research/own_labels.py --data DIR [--labels 100 300 1000]

The benchmarks stand in for a team's traffic: both models' answers to n of the prompts are judged,
drawn at random, and `mf` is trained on these labels alone, of this very pair, with
`--question-length`. APGR is that on all other prompts; printed are its mean over --draws sets of
labels, and its range over them. The other rows are the prompt's length and the shipped router that
learned from other prompts. No router that ships learns so: it says how far
this embedder goes where the labels are the right ones. MT-Bench has too few prompts for it.
DIR is `router_quality.py`'s.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np
from leave_task_out import direction
from numpy.typing import NDArray
from router_quality import PAPER, STRONG, WEAK, Benchmark, load_routers, read

from routectl.embedding import open_embedder
from routectl.evaluation.metrics import apgr, quality_curve
from routectl.preferences.comparisons import Comparisons, read_comparisons
from routectl.routers.question_length import QuestionLength
from routectl.training.fits.difficulty import DifficultySettings

LEARNABLE = ("gsm8k", "mmlu")
SHIPPED = ("length", "mf")
SEED = 0


def comparisons(benchmark: Benchmark) -> Comparisons:
    """The benchmark as `train --gold` reads it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["prompt", STRONG, WEAK])
            writer.writerows(zip(benchmark.prompts, benchmark.strong, benchmark.weak, strict=True))
        return read_comparisons([], [path])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labels", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--draws", type=int, default=10)
    arguments = parser.parse_args()
    routers = load_routers(SHIPPED)
    for name in LEARNABLE:
        benchmark = read(arguments.data, name)
        learned = comparisons(benchmark)
        place = {prompt: row for row, prompt in enumerate(benchmark.prompts)}
        benchmark = benchmark.rows(np.array([place[prompt] for prompt in learned.prompts]))
        vectors = open_embedder().embed(benchmark.prompts)
        length = QuestionLength.fit(benchmark.prompts).of(benchmark.prompts)
        features = np.hstack([vectors, length.astype(np.float32)])
        print(f"\n### {name}, {len(benchmark.prompts):,} prompts\n")
        print("| labels | `train mf --question-length` |\n|---|---|")
        for count in arguments.labels:
            values = []
            for draw in range(arguments.draws):
                order = np.random.default_rng([SEED, draw]).permutation(len(benchmark.prompts))
                chosen = np.zeros(len(order), dtype=np.bool_)
                chosen[order[:count]] = True
                toward = direction(features, learned.of_prompts(chosen), DifficultySettings())
                values.append(judged(features @ toward, benchmark, ~chosen))
            cell = f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"
            print(f"| {count:,} | {cell} |", flush=True)
        everything = np.ones(len(benchmark.prompts), dtype=np.bool_)
        for label, router in routers.items():
            scores = router.strong_win_rates(benchmark.prompts)
            print(
                f"\n{label}, all prompts: {judged(scores, benchmark, everything):.3f}",
                end="",
            )
        print(f"\npaper's best: {PAPER[name]:.3f}", flush=True)


def judged(scores: NDArray[np.float64], benchmark: Benchmark, rows: NDArray[np.bool_]) -> float:
    curve = quality_curve(scores[rows], benchmark.strong[rows], benchmark.weak[rows])
    return apgr(curve)


if __name__ == "__main__":
    main()
