"""How far the default embedder's vectors go on a benchmark whose own labels are learned from.

    python benchmarks/own_labels.py --data DIR [--most 2000]

No router is made so. Each prompt is scored by ridge regression of the strong model's quality less
the weak one's, on the labels of the benchmark's other prompts, of this very pair: ten folds, the
penalty chosen within the other nine. Features are the vector, the question's length
(`routers/surface.py`), or both. A router that learned from other data and stays below that figure
may lack data; one that reaches it lacks an embedder. Printed is the mean APGR over five divisions
into folds, its range over them, and the 95 % bootstrap interval over prompts of the first. Of a
longer benchmark a fixed random --most prompts are taken. DIR is `router_quality.py`'s.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from router_quality import PAPER, Benchmark, read
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict

from routectl.embedding import open_embedder
from routectl.evaluation.bootstrap import bootstrap
from routectl.evaluation.metrics import APGR
from routectl.routers.surface import Surface

LEARNABLE = ("gsm8k", "mmlu")
"""MT-Bench's 72 prompts are too few to learn from."""
SEED, DIVISIONS, FOLDS = 0, 5, 10
PENALTIES = np.logspace(-1, 4, 11)
_LENGTH_SCALE = 0.1
"""The length varies by 1, a vector's numbers by about 0.05, and one penalty holds for both."""


def features(prompts: list[str]) -> dict[str, NDArray[np.float64]]:
    vectors = open_embedder().embed(prompts).astype(np.float64)
    length = _LENGTH_SCALE * Surface.fit(prompts).of(prompts)
    return {
        "question length": length,
        "vector": vectors,
        "vector and length": np.hstack([vectors, length]),
    }


def scores(x: NDArray[np.float64], benchmark: Benchmark, seed: int) -> NDArray[np.float64]:
    """Each prompt's score by the fit on the other folds, shape (n,)."""
    folds = KFold(FOLDS, shuffle=True, random_state=seed)
    gain = benchmark.strong - benchmark.weak
    predicted: NDArray[np.float64] = cross_val_predict(RidgeCV(PENALTIES), x, gain, cv=folds)
    return predicted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--most", type=int, default=2000)
    arguments = parser.parse_args()
    print("| benchmark | prompts | learned from | APGR | over divisions | paper's best |")
    print("|---|---|---|---|---|---|")
    for name in LEARNABLE:
        benchmark = read(arguments.data, name)
        drawn = np.random.default_rng(SEED).permutation(len(benchmark.prompts))
        benchmark = benchmark.rows(np.sort(drawn[: arguments.most]))
        for label, x in features(benchmark.prompts).items():
            by_division = {
                str(seed): scores(x, benchmark, SEED + seed) for seed in range(DIVISIONS)
            }
            judged = bootstrap(
                by_division, benchmark.strong, benchmark.weak, metrics=(APGR,), seed=SEED
            )
            estimates = [judged.estimate(division, APGR) for division in by_division]
            values = [estimate.value for estimate in estimates]
            print(
                f"| {name} | {len(benchmark.prompts):,} | {label} | {np.mean(values):.3f} "
                f"({estimates[0].low:.3f} to {estimates[0].high:.3f}) | "
                f"{min(values):.3f} to {max(values):.3f} | {PAPER[name]:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
