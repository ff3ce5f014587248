"""The stated intervals against traffic whose truth is known; the full run is a benchmark."""

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "interval_coverage.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("interval_coverage", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def measured(benchmark, name, clusters, target):
    [scene] = [
        scene
        for scene in benchmark.SCENES
        if (scene.name, scene.clusters, scene.target) == (name, clusters, target)
    ]
    return benchmark.measure(scene, repetitions=1000, seed=1)


@pytest.mark.parametrize(
    ("name", "clusters", "target"),
    [
        ("Pareto 1.5, correlation 0.8", 100, 0.1),
        *(
            pytest.param(*scene, marks=pytest.mark.slow)
            for scene in (
                ("independent", 500, 0.3),
                ("tied", 500, 0.3),
                ("lognormal 1.2, correlation 0.8", 100, 0.3),
                ("repeated prompts, Pareto 1.5", 400, 0.3),
                ("Pareto 1.5, correlation 0.8", 100, 0.3),
                ("Pareto 1.5, correlation 0.8", 400, 0.3),
                ("Pareto 1.5, correlation 0.8", 400, 0.1),
                ("lognormal 1.2, correlation 0.8", 100, 0.1),
                ("lognormal 1.2, correlation 0.8", 400, 0.3),
            )
        ),
    ],
)
def test_the_95_percent_intervals_cover_at_least_94_and_93_percent(
    benchmark, name, clusters, target
):
    coverage = measured(benchmark, name, clusters, target)
    assert coverage.long_run >= 0.94
    assert coverage.next_share >= 0.93


@pytest.mark.slow
def test_taking_the_requests_of_conversations_as_independent_covers_far_less(benchmark):
    assert measured(benchmark, "lognormal 1.2, correlation 0.8", 100, 0.3).plain < 0.5


@pytest.mark.slow
def test_reading_the_long_run_interval_as_one_for_the_next_requests_covers_far_less(benchmark):
    coverage = measured(benchmark, "independent", 5000, 0.3)
    assert coverage.long_run >= 0.94
    assert coverage.next_share >= 0.94
    assert coverage.long_run_read_as_next < 0.65
