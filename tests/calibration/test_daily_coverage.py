"""The intervals on traffic that changes from day to day; the full run is a benchmark.

Seeded: the same figures each time. A coverage of 95 % in 100 repetitions is 90 and more in all but
1 of 35 seeds.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "daily_coverage.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("daily_coverage", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def measured(benchmark, name, repetitions=100, guarantee=False):
    [scene] = [scene for scene in benchmark.SCENES if scene.name == name]
    return benchmark.measure(scene, repetitions, seed=2, guarantee=guarantee)


@pytest.mark.parametrize(
    "name",
    [
        "28 days, effects of 3.5 points",
        "28 days, 3.5 points, weekend 8 points lower",
        "10 days, 1.7 points, weekend 8 points lower",
        "28 days, a cron prompt is 30 %",
        "10 days, bursts of 3 days",
    ],
)
def test_days_that_differ_are_covered_and_steady_traffic_passes_the_check_in_time(benchmark, name):
    coverage = measured(benchmark, name)
    assert coverage.long_run >= 0.93
    assert coverage.next_share >= 0.9
    assert coverage.check_failed <= 0.12


def test_the_interval_is_not_much_wider_than_the_ideal(benchmark):
    coverage = measured(benchmark, "28 days, effects of 3.5 points")
    assert 1.0 < coverage.half_width / coverage.ideal < 1.4


def test_one_day_covers_far_less_and_the_output_says_so(benchmark):
    coverage = measured(benchmark, "1 day, effects of 3.5 points", repetitions=50)
    assert coverage.long_run < 0.9
    assert coverage.says["one_day"] == 50


def test_the_long_run_share_exceeds_a_guaranteed_one_in_few_samples(benchmark):
    coverage = measured(benchmark, "28 days, effects of 3.5 points", guarantee=True)
    assert coverage.exceeded <= 0.08
