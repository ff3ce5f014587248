"""Where the time goes when `routectl score` scores one prompt.

    python benchmarks/score_startup.py [--rounds 3]

Each round starts fresh processes: `routectl score` on a database of one prompt, and
`SentenceTransformer(path).encode(["x"])`, the shortest script to the same vector. The medians
and their ratio are printed, and then the steps of one process that does what `score` does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from routectl.embedding.files import DEFAULT, locate

STEPS = """
import time
times = [("interpreter", time.time())]
def note(name): times.append((name, time.time()))
import routectl.cli.score, routectl.workflow.scoring, routectl.store.engine
note("imports of routectl and sqlalchemy")
import numpy
note("import of numpy")
from routectl.routers import open_router
opened = open_router("mf")
note("open the checkpoint")
import torch
note("import of torch")
from routectl.embedding.files import DEFAULT, locate
locate(DEFAULT).digest()
note("digest of the embedder's files")
router = opened.load()
note("load weights and tokenizer")
router.strong_win_rates(["x"])
note("score one prompt")
import sys
before = float(sys.argv[1])
for name, at in times:
    print(f"  {name:36} {at - before:6.2f} s")
    before = at
"""
PEER = """
import sys
from sentence_transformers import SentenceTransformer
SentenceTransformer(sys.argv[1]).encode(["x"])
"""


def seconds(arguments: list[str]) -> float:
    """Wall time of one process."""
    started = time.perf_counter()
    subprocess.run(arguments, check=True, capture_output=True)
    return time.perf_counter() - started


def score_once(routectl: list[str], folder: Path, number: int) -> float:
    """`routectl score` on a fresh database of one prompt."""
    os.environ["ROUTECTL_DB"] = str(folder / f"{number}.db")
    subprocess.run([*routectl, "import", str(folder / "one.txt")], check=True, capture_output=True)
    return seconds([*routectl, "score"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    routectl = [sys.executable, "-m", "routectl"]
    peer = [sys.executable, "-c", PEER, str(locate(DEFAULT).folder)]
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "one.txt").write_text("What is the capital of Australia?\n")
        for number in range(rounds + 1):
            ours.append(score_once(routectl, folder, number))
            theirs.append(seconds(peer))
    # The first round warms the disk cache.
    mine, other = statistics.median(ours[1:]), statistics.median(theirs[1:])
    print(f"routectl score, one prompt:     {mine:.2f} s")
    print(f"SentenceTransformer.encode(x):  {other:.2f} s   ratio {other / mine:.2f}")
    print("one process, step by step:")
    sys.stdout.flush()
    subprocess.run([sys.executable, "-c", STEPS, repr(time.time())], check=True)


if __name__ == "__main__":
    main()
