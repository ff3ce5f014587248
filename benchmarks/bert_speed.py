"""What batching brings to `bert`, compared with what it brings to the embedder.

    python benchmarks/bert_speed.py --prompts FILE [--limit 400] [--rounds 3] [--threads N]

FILE is JSON Lines with a key `prompt`. Both read the same prompts in one process, in turn: all at
once, and one at a time. Printed are prompts per second and the ratio of the median wall times; the
ratio of bert is to be the embedder's own (at least 0.9 of it). The largest difference of two scores
of one prompt must lie within the noise that the router states.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from routectl.embedding import open_embedder
from routectl.preferences.contamination import read_benchmark_prompts
from routectl.routers import open_router

WANTED_SHARE = 0.9


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="torch's own choice when absent")
    parser.add_argument("--checkpoint", type=Path, help="instead of the shipped one")
    arguments = parser.parse_args()
    import torch

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    prompts = read_benchmark_prompts(arguments.prompts)[: arguments.limit]
    router = open_router("bert", checkpoint=arguments.checkpoint).load()
    embedder = open_embedder()
    sides: dict[str, Callable[[list[str]], np.ndarray]] = {
        "bert": router.strong_win_rates,
        "embedder": embedder.embed,
    }
    wall: dict[tuple[str, bool], list[float]] = {(n, b): [] for n in sides for b in (True, False)}
    difference = 0.0
    for function in sides.values():
        function(prompts[:32])
    for _ in range(arguments.rounds):
        for name, function in sides.items():
            together = timed(wall[name, True], lambda f=function: f(prompts))
            alone = timed(
                wall[name, False], lambda f=function: np.concatenate([f([p]) for p in prompts])
            )
            if name == "bert":
                difference = max(difference, float(np.abs(together - alone).max()))
    print(f"prompts: {len(prompts):,}, rounds: {arguments.rounds}")
    print(f"threads: {torch.get_num_threads()}")
    factors = {}
    for name in sides:
        batched, single = (statistics.median(wall[name, b]) for b in (True, False))
        factors[name] = single / batched
        print(
            f"{name:10} batched {len(prompts) / batched:7.1f} prompts/s   one at a time "
            f"{len(prompts) / single:7.1f} prompts/s   factor {factors[name]:.2f}"
        )
    share = factors["bert"] / factors["embedder"]
    print(f"bert's factor is {share:.2f} of the embedder's (wanted: at least {WANTED_SHARE})")
    noise = router.identity.noise
    print(f"largest difference of two scores: {difference:.1e} (noise stated: {noise:.1e})")
    return int(difference > noise)


def timed(times: list[float], run: Callable[[], np.ndarray]) -> np.ndarray:
    start = time.perf_counter()
    found = run()
    times.append(time.perf_counter() - start)
    return found


if __name__ == "__main__":
    sys.exit(main())
