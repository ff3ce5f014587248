"""How much of the gap between two models a router recovers, on three public benchmarks.

    python benchmarks/router_quality.py --data DIR [--checkpoint DIR] [--only mt_bench gsm8k mmlu]

DIR holds `mmlu.csv.gz` and `gsm8k.csv.gz` (columns prompt and one per model, 1 or 0),
`mt_bench.jsonl` (turns, and scores by model and turn), and `<name>.contaminated.jsonl` beside each:
prompts that are left out. These are RouteLLM's results of gpt-4-1106-preview and
Mixtral-8x7B-Instruct-v0.1. The table has APGR with its 95 % bootstrap interval over prompts.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routectl.evaluation.bootstrap import apgr_interval
from routectl.evaluation.metrics import apgr, quality_curve
from routectl.extraction import extract
from routectl.routers import open_router
from routectl.training.contamination import read_benchmark_prompts
from routectl.training.rows import Row, read_rows

STRONG, WEAK = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"
BENCHMARKS = {"mt_bench": "mt_bench.jsonl", "gsm8k": "gsm8k.csv.gz", "mmlu": "mmlu.csv.gz"}


@dataclass(frozen=True)
class Benchmark:
    """Prompts and the quality of the two models' answers, shape (n,) each."""

    prompts: list[str]
    strong: NDArray[np.float64]
    weak: NDArray[np.float64]


def read(folder: Path, name: str) -> Benchmark:
    """A benchmark without its contaminated prompts."""
    left_out = set(read_benchmark_prompts(folder / f"{name}.contaminated.jsonl"))
    prompts, strong, weak = [], [], []
    for row in read_rows(folder / BENCHMARKS[name])[1]:
        turns = row.values.get("turns")
        prompt = extract(turns[:1] if turns else row.text("prompt"))
        if prompt is not None and prompt not in left_out:
            prompts.append(prompt)
            strong.append(quality(row, STRONG))
            weak.append(quality(row, WEAK))
    return Benchmark(prompts, np.array(strong), np.array(weak))


def quality(row: Row, model: str) -> float:
    """1 or 0 where the answer is right or wrong; the mean over turns where a judge gave points."""
    if "scores" in row.values:
        return statistics.fmean(row.values["scores"][model].values())
    return row.number(model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, help="an mf checkpoint instead of the shipped")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    arguments = parser.parse_args()
    routers = {
        "mf": open_router("mf", checkpoint=arguments.checkpoint).load(),
        "length": open_router("length").load(),
        "random": open_router("random").load(),
    }
    print("| benchmark | prompts | " + " | ".join(routers) + " |")
    print("|---|---|" + "---|" * len(routers))
    for name in arguments.only:
        benchmark = read(arguments.data, name)
        cells = []
        for router in routers.values():
            scores = router.strong_win_rates(benchmark.prompts)
            value = apgr(quality_curve(scores, benchmark.strong, benchmark.weak))
            low, high = apgr_interval(scores, benchmark.strong, benchmark.weak)
            cells.append(f"{value:.3f} ({low:.3f} to {high:.3f})")
        print(f"| {name} | {len(benchmark.prompts):,} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
