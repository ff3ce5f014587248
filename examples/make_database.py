"""Build routectl.db.example from the traffic sample: `make example`.

The route `smart` is declared, every router that ships scores the sample, slow ones left out; the mf
calibration for 30 % strong is activated, and the file is compacted. Times, ids and the actor are of
the run; all else is the same every time.
"""

from __future__ import annotations

import gzip
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

from routectl.routers import names, open_router

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "routectl.db.example"
TRAFFIC = ROOT / "examples" / "traffic.jsonl.gz"
ROUTERS = tuple(
    word for name in names() if not open_router(name).description.slow for word in ("-r", name)
)
ROUTE = ("smart", "--strong", "gpt-4o", "--weak", "gpt-4o-mini", "--where", "model_group=smart")
STEPS = (
    ("route", "set", *ROUTE),
    # From standard input, which has a name of its own: a file's path would be stored.
    ("import", "-", "--source", "examples/traffic.jsonl"),
    ("score", *ROUTERS),
    ("calibrate", "--strong-fraction", "0.3", *ROUTERS),
    ("activate", "1", "--note", "30 % strong"),
)


def main() -> None:
    work = TARGET.with_suffix(".partial")
    work.unlink(missing_ok=True)
    environment = os.environ | {"ROUTECTL_DB": str(work), "ROUTECTL_ACTOR": "example"}
    for step in STEPS:
        subprocess.run(
            [sys.executable, "-m", "routectl", *step],
            cwd=ROOT,
            env=environment,
            input=gzip.decompress(TRAFFIC.read_bytes()) if "-" in step else None,
            check=True,
        )
    connection = sqlite3.connect(work)
    # A file in WAL mode would leave a -wal and a -shm next to every copy that is looked at.
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("VACUUM")
    connection.close()
    work.replace(TARGET)
    print(f"{TARGET.name}: {TARGET.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
