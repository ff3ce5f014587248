"""The embedder compared with `SentenceTransformer.encode` at its default batch size.

    python benchmarks/embedder_speed.py --prompts FILE [--limit 600] [--rounds 3] [--threads N]
                                        [--budget 1024]

FILE is JSON Lines with a key `prompt`. Both sides embed the same prompts in one process, in turn;
the ratio of the median wall times is printed (at least 1.4 is wanted), that of the processor times,
which other work on the machine disturbs less, and the largest difference of any number
of two vectors (at most 1e-5).
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
from routectl.embedding.files import DEFAULT, locate
from routectl.embedding.sentence_transformer import load_sentence_transformer
from routectl.preferences.contamination import read_benchmark_prompts

WANTED_RATIO = 1.4
LARGEST_DIFFERENCE = 1e-5
BUDGET = 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="torch's own choice when absent")
    parser.add_argument("--budget", type=int, default=BUDGET, help="tokens in a batch")
    arguments = parser.parse_args()
    import torch

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    prompts = read_benchmark_prompts(arguments.prompts)[: arguments.limit]
    embedder = open_embedder()
    peer = load_sentence_transformer(locate(DEFAULT))

    def ours() -> np.ndarray:
        return embedder.embed(prompts, token_budget=arguments.budget)

    def theirs() -> np.ndarray:
        return np.asarray(peer.encode(prompts, show_progress_bar=False))

    embedder.embed(prompts[:32])
    peer.encode(prompts[:32], show_progress_bar=False)
    mine: list[tuple[float, float]] = []
    others: list[tuple[float, float]] = []
    difference = 0.0
    for number in range(arguments.rounds):
        sides = [(mine, ours), (others, theirs)]
        found = []
        # Whoever goes first has the colder machine.
        for times, run in sides if number % 2 == 0 else reversed(sides):
            took, vectors = timed(run)
            times.append(took)
            found.append(vectors)
        difference = max(difference, float(np.abs(found[0] - found[1]).max()))
    wall, processor = (
        (statistics.median(t[which] for t in mine), statistics.median(t[which] for t in others))
        for which in (0, 1)
    )
    print(f"prompts: {len(prompts):,}, rounds: {arguments.rounds}")
    print(f"threads: {torch.get_num_threads()}, tokens in a batch: {arguments.budget:,}")
    for name, (a, b) in (("wall time", wall), ("processor", processor)):
        print(f"{name:10} embedder {a:7.2f} s   encode {b:7.2f} s   ratio {b / a:.2f}")
    print(f"wanted ratio: at least {WANTED_RATIO}")
    print(f"largest difference: {difference:.1e} (at most {LARGEST_DIFFERENCE:.0e})")
    return int(difference > LARGEST_DIFFERENCE)


def timed(run: Callable[[], np.ndarray]) -> tuple[tuple[float, float], np.ndarray]:
    """Wall and processor seconds, and the vectors."""
    wall, processor = time.perf_counter(), time.process_time()
    vectors = run()
    return (time.perf_counter() - wall, time.process_time() - processor), vectors


if __name__ == "__main__":
    sys.exit(main())
