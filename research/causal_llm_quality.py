"""How good and how fast `causal_llm` is: APGR on the three public benchmarks, prompts a second.

    python research/causal_llm_quality.py --data DIR [--checkpoint DIR] [--sample 150]

DIR is that of `router_quality.py`. A prompt takes about half a second of a CPU core, so a benchmark
with more prompts than `--sample` is measured on so many of them, drawn with seed 0 (0 takes all:
MMLU's 14,037 prompts take hours). `length` is scored on the same prompts.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from router_quality import BENCHMARKS, Benchmark, read

from routectl.evaluation.bootstrap import apgr_interval
from routectl.evaluation.metrics import apgr, quality_curve
from routectl.routers import open_router

AT_ONCE = 16


def drawn(benchmark: Benchmark, sample: int) -> Benchmark:
    """The benchmark, or a fixed random sample of it."""
    count = len(benchmark.prompts)
    if not sample or sample >= count:
        return benchmark
    rows = np.sort(np.random.default_rng(0).permutation(count)[:sample])
    return Benchmark(
        [benchmark.prompts[row] for row in rows], benchmark.strong[rows], benchmark.weak[rows]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, help="instead of the one that ships")
    parser.add_argument("--sample", type=int, default=150)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    arguments = parser.parse_args()
    router = open_router("causal_llm", checkpoint=arguments.checkpoint).load()
    length = open_router("length").load()
    print("| benchmark | prompts | causal_llm | length | prompts a second | of a CPU core |")
    print("|---|---|---|---|---|---|")
    for name in arguments.only:
        benchmark = drawn(read(arguments.data, name), arguments.sample)
        prompts = benchmark.prompts
        began, began_cpu = time.perf_counter(), time.process_time()
        rates = np.concatenate(
            [
                router.strong_win_rates(prompts[start : start + AT_ONCE])
                for start in range(0, len(prompts), AT_ONCE)
            ]
        )
        speeds = [
            len(prompts) / (time.perf_counter() - began),
            len(prompts) / (time.process_time() - began_cpu),
        ]
        cells = []
        for scores in (rates, length.strong_win_rates(prompts)):
            value = apgr(quality_curve(scores, benchmark.strong, benchmark.weak))
            low, high = apgr_interval(scores, benchmark.strong, benchmark.weak)
            cells.append(f"{value:.3f} ({low:.3f} to {high:.3f})")
        cells += [f"{speed:.1f}" for speed in speeds]
        print(f"| {name} | {len(prompts):,} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
