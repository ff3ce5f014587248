"""How long a command takes to start, compared with the import that it cannot do without.

    python benchmarks/startup.py

Each pair runs in turn, A B A B ..., and the difference of the medians is printed: `routectl --help`
against `python -c "import click"`, `routectl export` against `python -c "import sqlalchemy.orm"`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPEATS = 15
ALLOWED_SECONDS = 0.25


def seconds(arguments: list[str]) -> float:
    """Wall time of one process."""
    started = time.perf_counter()
    subprocess.run(arguments, check=True, capture_output=True)
    return time.perf_counter() - started


def compare(name: str, ours: list[str], peer_name: str, peer: list[str]) -> None:
    """Run both in turn and print the medians."""
    pairs = [(seconds(ours), seconds(peer)) for _ in range(REPEATS + 1)][1:]
    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    verdict = "within" if mine - theirs <= ALLOWED_SECONDS else "MORE THAN"
    print(
        f"{name:18} {mine:.3f} s   {peer_name:22} {theirs:.3f} s   difference {mine - theirs:.3f} s"
        f" ({verdict} {ALLOWED_SECONDS} s), ratio {mine / theirs:.1f}"
    )


def main() -> None:
    python = sys.executable
    routectl = [str(Path(python).parent / "routectl")]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ROUTECTL_DB"] = str(Path(folder) / "routectl.db")
        log = Path(folder) / "prompts.txt"
        log.write_text("".join(f"question {n}\n" for n in range(100)))
        for step in (
            ["import", str(log)],
            ["calibrate", "-r", "random", "--strong-fraction", "0.3"],
            ["activate", "--force"],
        ):
            subprocess.run([*routectl, *step], check=True, capture_output=True)
        click = [python, "-c", "import click"]
        orm = [python, "-c", "import sqlalchemy.orm"]
        compare("routectl --help", [*routectl, "--help"], "import click", click)
        compare("routectl export", [*routectl, "export"], "import sqlalchemy.orm", orm)
        compare("routectl history", [*routectl, "history"], "import sqlalchemy.orm", orm)


if __name__ == "__main__":
    main()
