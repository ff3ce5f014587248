"""How fast scores are stored, compared with SQLite's own `executemany`.

    python benchmarks/score_writes.py --rows 1000000

Writes the same rows into two databases of the same schema, in turn, A B A B ...: once by
`routectl.store.scores.add_scores` and once by raw `sqlite3.executemany`, each in one transaction.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from routectl.records import RouterIdentity, RouterSpec
from routectl.store.engine import Location, Store
from routectl.store.opening import create_or_open
from routectl.store.scores import add_router, add_scores

REPEATS = 5
AT_LEAST = 0.5
PROMPTS = "INSERT INTO prompts (id, digest, length) VALUES (?, ?, 1)"
SCORES = "INSERT INTO scores (router_id, prompt_id, win_rate, longer_than_read) VALUES (?, ?, ?, ?)"


def database(path: Path, rows: int) -> int:
    """Make a database with as many prompts; returns the id of a router in it."""
    store, _ = create_or_open(Location.parse(str(path)))
    with store, store.write() as connection:
        router = add_router(
            connection, RouterIdentity("random", "f", None, 0.0), RouterSpec("random"), {}
        )
        connection.exec_driver_sql(PROMPTS, [(n, str(n)) for n in range(1, rows + 1)])
    return router


def empty(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM scores")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def routectl_seconds(
    store: Store, router: int, ids: list[int], rates: list[float], longer: list[bool]
) -> float:
    started = time.perf_counter()
    with store.write() as connection:
        add_scores(connection, router, ids, rates, longer)
    return time.perf_counter() - started


def raw_seconds(path: Path, rows: list[tuple[int, int, float, bool]]) -> float:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        started = time.perf_counter()
        with connection:
            connection.executemany(SCORES, rows)
        return time.perf_counter() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    count = parser.parse_args().rows
    ids = list(range(1, count + 1))
    rates: list[float] = np.random.default_rng(1).random(count).tolist()
    longer = [False] * count
    times: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        ours, peer = Path(folder) / "routectl.db", Path(folder) / "raw.db"
        router = database(ours, count)
        other = database(peer, count)
        rows = [(other, n, rate, False) for n, rate in zip(ids, rates, strict=True)]
        for _ in range(REPEATS):
            store, _made = create_or_open(Location.parse(str(ours)))
            with store:
                mine = routectl_seconds(store, router, ids, rates, longer)
            times.append((mine, raw_seconds(peer, rows)))
            empty(ours)
            empty(peer)
    mine, raw = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = raw / mine
    print(f"add_scores          {count / mine:12,.0f} rows/s")
    print(f"sqlite3.executemany {count / raw:12,.0f} rows/s")
    verdict = "at least" if ratio >= AT_LEAST else "BELOW"
    print(f"ratio {ratio:.2f} ({verdict} {AT_LEAST}), medians of {REPEATS} runs in turn")
    return int(ratio < AT_LEAST)


if __name__ == "__main__":
    raise SystemExit(main())
