"""The intervals of drawn prompts against traffic whose truth is known; the full run is a
benchmark."""

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "label_coverage.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("label_coverage", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def measured(benchmark, name, sample, slope):
    [scene] = [
        scene
        for scene in benchmark.SCENES
        if (scene.name, scene.sample, scene.slope) == (name, sample, slope)
    ]
    return benchmark.measure(scene, repetitions=120, draws=200, seed=2, peers=False)


@pytest.mark.parametrize(
    "name", ["each prompt once, 5 scores", "Pareto 1.1", "each prompt once, a tenth lost"]
)
def test_the_95_percent_interval_of_300_drawn_prompts_holds_the_traffics_apgr(benchmark, name):
    tally = measured(benchmark, name, 300, 0.9).weighted
    assert tally.held >= 0.89 * len(tally.widths)
    # On average there is no error: 0.02 is three standard errors.
    assert abs(sum(tally.errors)) <= 0.02 * len(tally.errors)


def test_a_router_that_knows_nothing_is_rarely_said_to_know_something(benchmark):
    assert measured(benchmark, "each prompt once", 300, 0.0).said <= 0.11 * 120
