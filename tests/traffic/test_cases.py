"""Small logs of the shapes that people have: what an import stores of each is right.

A case is a log beside `NAME.expect.json`: `requests` with the facts of each (only those that are
named are compared, in any order; a list of texts: any of them is right), or `refused`.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Routectl

FOLDER = Path(__file__).parent / "cases"
CASES = sorted(path for path in FOLDER.iterdir() if not path.name.endswith(".expect.json"))


def stored(database: Path) -> list[dict[str, Any]]:
    """The requests of a database, each with its prompt as `text` and its tags as a list."""
    if not database.exists():
        return []
    connection = sqlite3.connect(database)
    connection.row_factory = sqlite3.Row
    query = "SELECT r.*, p.text FROM requests r LEFT JOIN prompts p ON p.id = r.prompt_id"
    rows = [dict(row) for row in connection.execute(f"{query} ORDER BY r.id")]
    connection.close()
    return [{**row, "tags": json.loads(row["tags"] or "[]")} for row in rows]


def is_right(expected: object, value: object, fact: str) -> bool:
    if isinstance(expected, float):
        tolerance = 0.01 if fact == "time" else 1e-9
        return value == pytest.approx(expected, abs=tolerance)
    if fact == "text" and isinstance(expected, list):
        return value in expected
    return value == expected


def missing(expected: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The expected requests that no row is, each row taken once."""
    left = list(rows)
    without = []
    for request in expected:
        match = next(
            (row for row in left if all(is_right(v, row[f], f) for f, v in request.items())), None
        )
        if match is None:
            without.append(request)
        else:
            left.remove(match)
    return without


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_log_is_imported_as_what_it_says(
    routectl: Routectl, database: Path, tmp_path: Path, case: Path
) -> None:
    expected = json.loads((FOLDER / f"{case.name.split('.')[0]}.expect.json").read_text())
    log = case
    if "rename_latin1" in expected:  # no repository keeps such names
        log = shutil.copytree(case, tmp_path / case.name)
        for old, new in expected["rename_latin1"].items():
            (log / old).rename(os.fsdecode(os.fsencode(log) + b"/" + new.encode("latin-1")))
    result = routectl("import", log)
    rows = stored(database)
    if expected.get("refused"):
        assert (result.code, rows) == (1, [])
        return
    assert missing(expected["requests"], rows) == []
    assert len(rows) == len(expected["requests"])
    again = routectl("import", log)
    assert (again.code, stored(database)) == (result.code, rows)
