"""The import contracts of pyproject.toml hold, and break where an import runs the wrong way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FLOORS = "Rooms stand on floors, and import only what lies below"
STORE = "Only workflow asks the store"
COMMANDS = "What a command does stands on what other commands left"
COMMAND_LINE = "The command line asks the workflow, never the inside of a room"

PLANTED = [
    ("store/scores.py", "routectl.traffic", FLOORS),
    ("store/scores.py", "routectl.training", FLOORS),
    ("routers/length.py", "routectl.evaluation", FLOORS),
    ("routers/length.py", "routectl.training", FLOORS),
    ("embedding/local.py", "routectl.training", FLOORS),
    ("export/documents.py", "routectl.training", FLOORS),
    ("prices.py", "routectl.endpoint", FLOORS),
    ("training/length.py", "routectl.report", FLOORS),
    ("training/length.py", "routectl.store.engine", STORE),
    ("proxy/decider.py", "routectl.evaluation", FLOORS),
    ("proxy/decider.py", "routectl.workflow", FLOORS),
    ("proxy/decider.py", "routectl.store.engine", STORE),
    ("cli/score.py", "routectl.routers.mf", COMMAND_LINE),
    ("workflow/calibrating/pricing.py", "routectl.workflow.activating.doubts", COMMANDS),
    ("workflow/policies/stored.py", "routectl.workflow.calibrating.run", COMMANDS),
]
"""File of the package, what it imports there, and the contract that says no."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The package's code and the contracts, in a folder of their own."""
    shutil.copytree(
        ROOT / "routectl",
        tmp_path / "routectl",
        ignore=shutil.ignore_patterns("checkpoints", "__pycache__"),
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("file", "imported", "contract"), PLANTED)
def test_an_import_that_runs_the_wrong_way_breaks_a_contract(
    checkout: Path, file: str, imported: str, contract: str
) -> None:
    path = checkout / "routectl" / file
    # Inside a function, where a circle is hidden most easily.
    path.write_text(path.read_text() + f"\n\ndef planted() -> None:\n    import {imported}\n")
    done = lint(checkout)
    assert done.returncode == 1
    assert f"{contract} BROKEN" in done.stdout
    assert f"{file.removesuffix('.py').replace('/', '.')} -> {imported}" in done.stdout


def test_the_modules_import_each_other_in_no_circle() -> None:
    import grimp
    import networkx

    graph = grimp.build_graph("routectl", exclude_type_checking_imports=True, cache_dir=None)
    arrows = networkx.DiGraph(
        (module, imported)
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    )
    circles = [c for c in networkx.strongly_connected_components(arrows) if len(c) > 1]
    assert circles == []
