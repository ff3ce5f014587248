"""Each line of docs/threats.md is held by tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "threats.md"
NAMED = re.compile(r"`(?P<file>tests/[\w/]+\.py)(?:::(?P<test>\w+))?`")


def function_names(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


def test_every_test_that_the_page_names_is_there() -> None:
    named = list(NAMED.finditer(PAGE.read_text()))
    assert len(named) > 15
    for name in named:
        path = ROOT / name["file"]
        assert path.is_file(), name[0]
        assert name["test"] is None or name["test"] in function_names(path), name[0]


def test_every_threat_has_a_test() -> None:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    held = [line for line in lines if not line.startswith(("| what", "|---"))]
    assert len(held) > 12
    assert [line for line in held if not NAMED.search(line)] == []
