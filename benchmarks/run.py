"""Run every benchmark that needs no data of its own: `make bench`.

Those that read prompts take a file from ROUTECTL_PROMPTS (JSON lines with a "prompt" each), else
the sample in examples/.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PROMPTS = os.environ.get("ROUTECTL_PROMPTS", str(HERE.parent / "examples" / "prompts.jsonl"))
BENCHMARKS: tuple[tuple[str, ...], ...] = (
    ("startup.py",),
    ("score_writes.py",),
    ("kills.py",),
    ("interrupts.py", "--interrupts", "20"),
    ("score_startup.py",),
    ("embedder_speed.py", "--prompts", PROMPTS),
    ("scoring_speed.py", "--prompts", PROMPTS),
    ("similarity_speed.py", "--queries", "20000", "--rounds", "1"),
    ("bert_speed.py", "--prompts", PROMPTS),
    ("sw_ranking_speed.py",),
    ("proxy_latency.py", "--rounds", "1"),
    ("proxy_failures.py",),
    ("interval_coverage.py",),
    ("daily_coverage.py",),
    ("max_loss.py", "--repetitions", "100"),
)


def main() -> int:
    failed = []
    for name, *arguments in BENCHMARKS:
        print(f"\n== {name} {' '.join(arguments)}", flush=True)
        if subprocess.run([sys.executable, str(HERE / name), *arguments]).returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
