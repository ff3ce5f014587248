"""Kill every command that writes, at random moments, and look whether anything is lost.

    python benchmarks/kills.py --kills 1000 --seed 7

The tests do the same about a hundred times; docs/decisions.md says what is promised.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the harness is with the tests

from tests.conftest import payload, write_log
from tests.killing import Nursery, copies_of, kill_and_run_again, scenes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=500, help="in all, over every command")
    parser.add_argument("--requests", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder, Nursery.opened() as nursery:
        records = [payload(n, f"question {n % 5000}") for n in range(arguments.requests)]
        log = write_log(Path(folder) / "litellm.jsonl", records)
        found = scenes(log)
        each = -(-arguments.kills // len(found))
        for name, scene in found.items():
            started = time.perf_counter()
            fresh = copies_of(nursery, scene, Path(folder) / name)
            report = kill_and_run_again(nursery, scene, fresh, kills=each, seed=arguments.seed)
            failed += len(report.wrong)
            print(
                f"{name:11} {report.kills:5,} kills, {report.survived:4,} ended before, "
                f"{len(report.wrong)} wrong, {time.perf_counter() - started:.0f} s",
                flush=True,
            )
            print("".join(f"  {sentence}\n" for sentence in report.wrong), end="")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
