"""What `make demo` runs: the main job on the shipped sample, with the shipped mf checkpoint."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def printed() -> str:
    """What the demo prints on stdout."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", ROOT / "examples" / "demo.sh"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_demo_ends_with_the_table_and_the_config_string(printed: str) -> None:
    lines = printed.strip().splitlines()
    assert re.fullmatch(r"router-mf-0\.\d+", lines[-1])
    assert f"Config string: {lines[-1]}" in lines
    assert re.search(r"strong fraction +(29|30)\.\d+ % of the requests", printed)
    for table in ("to the strong model", "long-run share", "next 1,000 requests", "saving"):
        assert table in printed


def test_the_session_in_the_readme_is_what_the_demo_prints(printed: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    session = readme.split("```console\n")[1].split("```")[0]
    # Three dots stand for what is left out; all other lines must be there, in this order.
    shown = [line for line in session.splitlines() if line != "..."]
    assert [line for line in shown if line.startswith("$ ")] == [
        line for line in printed.splitlines() if line.startswith("$ ")
    ]
    printed_lines = iter(printed.splitlines())
    assert [line for line in shown if line not in printed_lines] == []
