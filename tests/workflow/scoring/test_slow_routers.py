"""A router that takes a second a prompt is never run unasked, and says how long it will take."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from routectl.records import Population
from routectl.route import DEFAULT_ROUTE, Declaration
from routectl.routers import open_router
from routectl.store.engine import Location
from routectl.workflow.calibrating.run import Question, StrongFraction, calibrate
from routectl.workflow.routes.in_use import RouteInUse
from routectl.workflow.scoring import score
from tests.conftest import Routectl, Silence, payload, write_log
from tests.routers.tiny_llama import make_base, write_adapter

QUESTION = Question(
    target=StrongFraction(0.5, tolerance=1.0),
    route=RouteInUse(None, DEFAULT_ROUTE, Declaration()),
    population=Population(),
    confidence=0.95,
    next_requests=100,
    note=None,
)


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A causal_llm checkpoint on a small base."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return write_adapter(tmp_path / "checkpoint", make_base(tmp_path / "tiny-llama"))


@pytest.fixture
def log(tmp_path: Path, routectl: Routectl) -> Path:
    path = write_log(tmp_path / "log.jsonl", [payload(n) for n in range(30)])
    assert routectl("import", path).code == 0
    return path


@pytest.mark.slow
@pytest.mark.usefixtures("log")
def test_all_routers_are_calibrated_without_the_slow_one(
    routectl: Routectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no-base"))
    result = routectl(
        "calibrate", "--strong-fraction", 0.5, "--tolerance", 1, "-r", "all", "--json"
    )
    assert result.code == 0
    calibrated = {one["router"] for one in result.json}
    assert {"mf", "length", "random"} <= calibrated
    assert "causal_llm" not in calibrated
    assert "causal_llm is left out, because it is slow" in result.err
    assert not (tmp_path / "no-base").exists()  # it was not even loaded


@pytest.mark.usefixtures("log")
def test_a_slow_router_that_is_named_is_run_and_says_how_long_it_will_take(
    routectl: Routectl, checkpoint: Path
) -> None:
    named = f"causal_llm={checkpoint}"
    result = routectl(
        *("calibrate", "--strong-fraction", 0.5, "--tolerance", 1),
        *("-r", "length", "-r", named, "--json"),
    )
    assert result.code == 0, result.err
    assert "causal_llm" in {one["router"] for one in result.json}
    assert re.search(r"causal_llm takes \S+ s a prompt here, so the other 22 take", result.err)


@pytest.mark.usefixtures("log")
def test_a_slow_router_that_was_scored_takes_part(
    database: Path, checkpoint: Path, reporter: Silence
) -> None:
    location = Location.parse(str(database))
    router = open_router("causal_llm", checkpoint=checkpoint)
    unnamed = {router.identity.fingerprint}
    assert calibrate(location, [router], QUESTION, reporter, unnamed=unnamed) == []
    assert "run `routectl score -r causal_llm` first" in reporter.notes[-1]
    (scored,) = score(location, [router], Population(), reporter)
    assert scored.scored == 30
    (result,) = calibrate(location, [router], QUESTION, reporter, unnamed=unnamed)
    assert result.router.fingerprint == router.identity.fingerprint


def test_preparing_links_a_folder_into_the_cache(
    routectl: Routectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    base = make_base(tmp_path / "tiny-llama")
    for _ in range(2):
        result = routectl("routers", "prepare", "causal_llm", "--base", base, "--json")
        assert result.code == 0
        found = json.loads(result.out)
        assert Path(found["folder"]).resolve() == base
    nothing = routectl("routers", "prepare", "causal_llm", "--base", tmp_path)
    assert nothing.code == 1
    assert "a base model is a folder with config.json" in nothing.err
