"""From 1,000,000 stored scores to a printed calibration, and a raw read and sort of the column.

    python benchmarks/million_scores.py

The peer reads one column with sqlite3 and sorts it with numpy. Ours reads scores, weights, prompts,
conversations, times, tokens and costs, makes the cut table, both intervals and the check in time,
and writes the calibration. Both run in one process, in turn; peak memory is that of a process of
its own that only calibrates.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from routectl.cli.app import run
from routectl.extraction import EXTRACTION_VERSION
from routectl.routers import open_router
from routectl.store.engine import Location
from routectl.store.opening import create_or_open
from routectl.store.scores import add_router

REPEATS = 5


def fill(database: Path, count: int, optional: bool) -> None:
    """A database with so many requests of as many prompts, all of them scored.

    Each has a time; with `optional` also a conversation of four, tokens and a cost of its own.
    """
    opened = open_router("random")
    store, _ = create_or_open(Location.parse(str(database)))
    with store, store.write() as connection:
        router = add_router(connection, opened.identity, opened.spec, {})
    rng = np.random.default_rng(0)
    rates = rng.beta(4, 4, count).tolist()
    talks = (rng.integers(0, count // 4, count) * 2**40).tolist()
    tokens = rng.lognormal(6, 1, count).astype(int).tolist()
    costs = rng.lognormal(-6, 1.5, count).tolist()
    raw = sqlite3.connect(database)
    raw.execute(
        "INSERT INTO samples (id, source, source_kind, population, seen, kept, counts, "
        "extraction_version, created_at) VALUES (1, 'benchmark', 'text', '{}', ?, ?, '{}', ?, "
        "'2026-01-01 00:00:00.000000')",
        (count, count, EXTRACTION_VERSION),
    )
    raw.executemany(
        "INSERT INTO prompts (id, digest, text, length) VALUES (?, ?, ?, 8)",
        ((n, f"{n:064x}", f"prompt {n}") for n in range(count)),
    )
    raw.executemany(
        "INSERT INTO requests (sample_id, source_kind, source_id, prompt_id, weight, "
        "extraction_version, time, model_group, status, conversation_key, tokens_in, tokens_out, "
        "cost) VALUES (1, 'text', ?, ?, 1.0, ?, ?, 'smart', 'success', ?, ?, ?, ?)",
        (
            (
                f"{n:032x}",
                n,
                EXTRACTION_VERSION,
                1.79e9 + n,
                *((talks[n], tokens[n], 50, costs[n]) if optional else (None,) * 4),
            )
            for n in range(count)
        ),
    )
    raw.executemany(
        "INSERT INTO scores (router_id, prompt_id, win_rate, longer_than_read) VALUES (?, ?, ?, 0)",
        ((router, n, rate) for n, rate in enumerate(rates)),
    )
    raw.commit()
    raw.close()


def calibrate(database: Path) -> float:
    """Seconds of one calibration, its output included."""
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = run(["calibrate", "--strong-fraction", "0.3", "-r", "random", "--db", str(database)])
    assert code == 0
    return time.perf_counter() - started


def read_and_sort(database: Path) -> float:
    """Seconds of one raw read of the column and one sort."""
    started = time.perf_counter()
    connection = sqlite3.connect(database)
    column = np.array(connection.execute("SELECT win_rate FROM scores").fetchall()).ravel()
    np.sort(column)
    connection.close()
    return time.perf_counter() - started


def peak_memory() -> float:
    """MB that this process has held at most, on Linux.

    Not `ru_maxrss`: what a process was started by counts there too, and the peer, which holds a
    million tuples, is more than what it starts.
    """
    status = Path("/proc/self/status").read_text()
    return int(next(s for s in status.splitlines() if s.startswith("VmHWM")).split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak_of is not None:
        calibrate(arguments.peak_of)
        print(peak_memory())
        return
    for optional in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            database = Path(folder) / "routectl.db"
            fill(database, arguments.count, optional)
            measure(database, arguments.count, optional)


def measure(database: Path, count: int, optional: bool) -> None:
    """Both in turn, and the peak memory of a process of its own."""
    calibrate(database)  # imports and caches are warm for both
    pairs = [(calibrate(database), read_and_sort(database)) for _ in range(REPEATS)]
    ours, peer = (statistics.median(column) for column in zip(*pairs, strict=True))
    peak = subprocess.run(
        [sys.executable, __file__, "--peak-of", str(database)],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ,
    ).stdout
    what = "with" if optional else "without"
    print(f"{count:,} scores, {what} conversations, tokens and costs, medians of {REPEATS}")
    print(f"calibrate            {ours:.2f} s")
    print(f"raw read and sort    {peer:.2f} s")
    print(f"ratio                {ours / peer:.2f} (at most 3 is wanted)")
    print(f"peak memory          {float(peak):.0f} MB (under 500 is wanted)")


if __name__ == "__main__":
    main()
