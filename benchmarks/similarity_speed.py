"""Nearest neighbours, compared with `sentence_transformers.util.semantic_search`.

    python benchmarks/similarity_speed.py [--queries 50000] [--others 5000] [--dimension 384]
                                          [--rounds 3] [--threads N]

Both sides find the nearest of the others for the same random unit vectors. Each run is a process
of its own, in turn, so that its peak memory is its own; what the process held before the search is
taken off. The ratios of the medians are printed, and both must find the same neighbours.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

LARGEST_DIFFERENCE = 1e-6


def vectors(count: int, dimension: int, seed: int) -> np.ndarray:
    """Shape (count, dimension), rows of length 1."""
    drawn = np.random.default_rng(seed).standard_normal((count, dimension), dtype=np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn


def search(side: str, queries: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The largest cosine of each query."""
    if side == "routectl":
        from routectl.similarity import nearest

        return nearest(queries, others).cosine
    import torch
    from sentence_transformers.util import dot_score, semantic_search

    found = semantic_search(
        torch.from_numpy(queries), torch.from_numpy(others), top_k=1, score_function=dot_score
    )
    return np.array([hits[0]["score"] for hits in found], dtype=np.float32)


def run(side: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Time one search in this process."""
    if side == "routectl":
        import routectl.similarity  # noqa: F401
    else:
        import sentence_transformers.util  # noqa: F401
        import torch

        if arguments.threads:
            torch.set_num_threads(arguments.threads)
    queries = vectors(arguments.queries, arguments.dimension, 0)
    others = vectors(arguments.others, arguments.dimension, 1)
    search(side, queries[:600], others[:600])  # what is loaded or set up once
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts again from here
    before = peak()
    started = time.perf_counter()
    cosine = search(side, queries, others)
    return {
        "seconds": time.perf_counter() - started,
        "memory": peak() - before,
        "mean": float(cosine.astype(np.float64).mean()),
    }


def peak() -> float:
    """The most memory that this process held, in MB."""
    status = Path("/proc/self/status").read_text()
    return float(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=50_000)
    parser.add_argument("--others", type=int, default=5_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="as many as the libraries take when absent")
    parser.add_argument("--side", choices=["routectl", "peer"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(run(arguments.side, arguments)))
        return 0
    sides: dict[str, list[dict[str, Any]]] = {"routectl": [], "peer": []}
    for number in range(arguments.rounds):
        for side in list(sides) if number % 2 == 0 else reversed(list(sides)):
            sides[side].append(in_process(side, arguments))
    seconds, memory = (
        {side: statistics.median(one[what] for one in runs) for side, runs in sides.items()}
        for what in ("seconds", "memory")
    )
    size = f"{arguments.queries:,} x {arguments.others:,} x {arguments.dimension}"
    print(f"{size}, medians of {arguments.rounds} rounds")
    for side in sides:
        print(f"{side:10} {seconds[side]:7.2f} s   {memory[side]:7.1f} MB more than before")
    print(f"time ratio {seconds['peer'] / seconds['routectl']:.2f}")
    print(f"memory ratio {memory['peer'] / max(memory['routectl'], 0.1):.1f}")
    difference = abs(sides["peer"][0]["mean"] - sides["routectl"][0]["mean"])
    print(f"difference of the mean cosine: {difference:.1e} (at most {LARGEST_DIFFERENCE:.0e})")
    return int(difference > LARGEST_DIFFERENCE)


def in_process(side: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run this file again for one side."""
    environment = dict(os.environ)
    if arguments.threads:
        environment |= {
            name: str(arguments.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        }
    command = [sys.executable, __file__, "--side", side]
    for name in ("queries", "others", "dimension", "threads"):
        if getattr(arguments, name):
            command += [f"--{name}", str(getattr(arguments, name))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    sys.exit(main())
