"""How much scoring costs compared with embedding alone: `mf`, and with `sw_ranking` and `length`.

    python benchmarks/scoring_speed.py --prompts FILE [--count 2000] [--rounds 3]

FILE is JSON Lines with a key `prompt`. All embed the same prompts in one process, in turn, and
`mf` and `sw_ranking` go side by side through steps, as in `routectl score`. The ratios of the
medians are printed; they should be at most 1.1 for `mf` and 1.15 for the three.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from routectl.embedding import open_embedder
from routectl.embedding.shared import open_shared
from routectl.preferences.contamination import read_benchmark_prompts
from routectl.routers import Router, open_router

STEP = 512
WANTED = {"mf": 1.1, "mf + sw_ranking + length": 1.15}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    prompts = read_benchmark_prompts(arguments.prompts)[: arguments.count]
    opened = [open_router(name) for name in ("mf", "sw_ranking", "length")]
    three = [router.load() for router in opened]
    shared = opened[0].description.embedder
    assert shared is not None
    assert shared == opened[1].description.embedder
    embedder = open_embedder(shared)
    embedder.embed(prompts[:64])

    def score(routers: Sequence[Router]) -> None:
        # The first prompt is another one each time: nothing of the round before is remembered.
        open_shared(shared).embed(["forget"])
        for start in range(0, len(prompts), STEP):
            step = prompts[start : start + STEP]
            for router in routers:
                router.strong_win_rates(step)
                router.longer_than_read(step)

    sides: dict[str, Callable[[], object]] = {
        "embedder alone": lambda: embedder.embed(prompts),
        "mf": lambda: score(three[:1]),
        "mf + sw_ranking + length": lambda: score(three),
    }
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(arguments.rounds):
        # Whoever goes first has the colder machine.
        order = list(sides) if number % 2 == 0 else list(reversed(sides))
        for name in order:
            times[name].append(seconds(sides[name]))
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    print(f"prompts: {len(prompts):,}, rounds: {arguments.rounds}")
    for name, taken in medians.items():
        ratio = taken / medians["embedder alone"]
        wanted = f" (wanted: at most {WANTED[name]})" if name in WANTED else ""
        print(f"{name:25} {taken:6.2f} s  ratio {ratio:.3f}{wanted}")


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
