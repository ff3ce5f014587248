"""The nightly line on PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.conftest import MODELS, Routectl, write_log
from tests.workflow.drifting.test_drifting import BASELINE, FIRST, records


@pytest.fixture
def database_url(postgresql_url: str) -> str:
    return postgresql_url


def test_a_night_looks_at_the_day_before_and_keeps_the_look(
    routectl: Routectl, tmp_path: Path
) -> None:
    first = [record for day in range(BASELINE) for record in records(day)]
    routectl("import", write_log(tmp_path / "first.jsonl", first))
    routectl("route", "set", "smart", *MODELS, "--drift-tolerance", "0.05")
    until = (FIRST + timedelta(days=BASELINE)).isoformat()
    target = ("--strong-fraction", "0.3", "--tolerance", "1", "--until", until)
    assert routectl("calibrate", "-r", "length", *target).code == 0
    assert routectl("activate", "--force").code == 0
    routectl("import", write_log(tmp_path / "day.jsonl", records(BASELINE)))
    routectl("score")
    done = [routectl("status", "--max-age", "30d", "--json") for _ in range(2)]
    assert [one.code for one in done] == [0, 0]
    assert done[0].json == done[1].json
    (report,) = routectl("drift", "--json").json
    assert [look["alarm"] for look in report["looks"]] == ["traffic"]
    assert report["tolerance"] == 0.05
