"""`routectl status` on a million requests, next to one scan of their table.

    python benchmarks/status_speed.py

The database has 1,000,000 requests of 12 weeks, all scored, calibrated on the first 4 of them. Each
figure is the wall time of a process of its own, its start included, and its processor time, which
other work on the machine lengthens less: the first status, which reads
the calibration's days and looks at 8 weeks at once; that of a night with one new day; and the same
night again, the median of five. The peer counts the rows and adds up their costs with sqlite3.
"""

from __future__ import annotations

import argparse
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from million_scores import fill

WEEKS = 12
CALIBRATED_WEEKS = 4
REPEATS = 5
PEER = (
    "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute("
    "'SELECT count(*), sum(cost), max(time) FROM requests').fetchone())"
)


def seconds(command: Sequence[str]) -> tuple[float, float]:
    """Wall and processor time of a process."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env=os.environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, processor


def median(command: Sequence[str]) -> tuple[float, float]:
    """The same, of several runs."""
    wall, processor = zip(*(seconds(command) for _ in range(REPEATS)), strict=True)
    return statistics.median(wall), statistics.median(processor)


def said(times: tuple[float, float]) -> str:
    return f"{times[0]:.2f} s, processor {times[1]:.2f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder) / "routectl.db", count)


def measure(database: Path, count: int) -> None:
    """Make the database, and print how long each takes."""
    fill(database, count, optional=True)
    now = datetime.now(UTC)
    step = WEEKS * 7 * 86_400 / count
    with closing(sqlite3.connect(database)) as raw, raw:
        raw.execute("UPDATE requests SET time = ? - ? * (? - id)", (now.timestamp(), step, count))
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        since = (midnight - 86_400,)
        raw.execute("CREATE TEMP TABLE last_day (id INTEGER PRIMARY KEY, time REAL)")
        raw.execute("INSERT INTO last_day SELECT id, time FROM requests WHERE time >= ?", since)
        raw.execute("UPDATE requests SET time = NULL WHERE time >= ?", since)
        raw.commit()
        until = (now - timedelta(weeks=WEEKS - CALIBRATED_WEEKS)).isoformat()
        routectl = [sys.executable, "-m", "routectl"]
        at = ["--db", str(database)]
        for command in (
            ["calibrate", "--strong-fraction", "0.3", "-r", "random", "--until", until],
            ["activate", "--force"],
        ):
            subprocess.run([*routectl, *command, *at], check=True, capture_output=True)
        status = [*routectl, "status", "--max-age", "30d", *at]
        first = seconds(status)
        restored = "SELECT time FROM last_day WHERE last_day.id = requests.id"
        raw.execute(f"UPDATE requests SET time = ({restored}) WHERE time IS NULL")
        raw.commit()
        night = seconds(status)
        again = median(status)
        peer = median([sys.executable, "-c", PEER, str(database)])
        (looks,) = raw.execute("SELECT count(*) FROM drift_checks").fetchone()
    print(f"{count:,} requests of {WEEKS} weeks, {looks} looks")
    print(f"the first status         {said(first)}")
    print(f"a night with a new day   {said(night)} (1 is wanted)")
    print(f"the same night again     {said(again)} (1 is wanted)")
    print(f"one scan of the table    {said(peer)}")


if __name__ == "__main__":
    main()
