"""How much scoring with `mf` costs beside embedding alone.

    python benchmarks/scoring_speed.py --prompts FILE [--count 2000] [--rounds 3]

FILE is JSON Lines with a key `prompt`. Both sides embed the same prompts in one process, in turn;
the ratio of the medians is printed. It should be at most 1.1.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from routectl.embedding import open_embedder
from routectl.routers import open_router
from routectl.training.contamination import read_benchmark_prompts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    prompts = read_benchmark_prompts(arguments.prompts)[: arguments.count]
    router = open_router("mf").load()
    embedder = open_embedder(reads="head")
    embedder.embed(prompts[:64])

    alone: list[float] = []
    scored: list[float] = []
    for number in range(arguments.rounds):
        sides = [(alone, lambda: embedder.embed(prompts))]
        sides.append((scored, lambda: router.strong_win_rates(prompts)))
        # Whoever goes first has the colder machine.
        for times, run in sides if number % 2 == 0 else reversed(sides):
            times.append(seconds(run))
    ratio = statistics.median(scored) / statistics.median(alone)
    print(f"prompts: {len(prompts):,}, rounds: {arguments.rounds}")
    print(f"embedder alone: {statistics.median(alone):.2f} s")
    print(f"score with mf:  {statistics.median(scored):.2f} s")
    print(f"ratio: {ratio:.3f} (target: at most 1.1)")


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
