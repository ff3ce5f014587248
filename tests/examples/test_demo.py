"""What `make demo` runs: the main job on the shipped sample, with the shipped mf checkpoint."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_ends_with_the_table_and_the_config_string() -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", ROOT / "examples" / "demo.sh"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.strip().splitlines()
    assert re.fullmatch(r"router-mf-0\.\d+", lines[-1])
    assert f"Config string: {lines[-1]}" in lines
    assert re.search(r"strong fraction +(29|30)\.\d+ % of the requests", done.stdout)
    for table in ("to the strong model", "long-run share", "next 1,000 requests"):
        assert table in done.stdout
