"""What a month of a sample's traffic costs, and how sure that is."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from routectl.calibration import (
    Budget,
    Month,
    TrafficMonth,
    choose,
    target_from_json,
)
from routectl.calibration.effective_size import Dependence
from routectl.calibration.money import changes_model, month_of_cut
from routectl.errors import CalibrationError, UsageError

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
DAY = 86400
START = 1.75e9 // DAY * DAY


def month_of(times, weights=None):
    times = np.array(times, dtype=np.float64)
    weights = np.ones(len(times)) if weights is None else np.array(weights, dtype=np.float64)
    return TrafficMonth.of(times, weights)


def priced(sample_of, n=2800, days=28, strong=10.0, weak=1.0, scores=None):
    """A sample over so many days whose month is told: all requests cost alike."""
    times = START + (np.arange(n) + 0.5) * days * DAY / n
    generator = np.random.default_rng(3)
    sample = sample_of(
        generator.random(n) if scores is None else scores,
        times=times,
        strong_cost=np.full(n, strong),
        weak_cost=np.full(n, weak),
    )
    return replace(sample, month=TrafficMonth.of(times, np.ones(n)))


def test_below_a_week_a_month_goes_on_at_the_mean_rate_from_first_to_last():
    month = month_of(START + np.arange(0, 5.001, 0.1) * DAY, np.full(51, 2.0))
    assert not month.by_weekday
    assert month.days_seen == pytest.approx(5)
    assert month.requests == pytest.approx(102 / 5 * 30)


def test_a_weekday_of_which_only_an_hour_was_seen_has_no_rate_of_its_own():
    times = START + np.concatenate([np.arange(23, 24, 0.1), np.arange(24, 150, 0.5)]) * 3600
    month = month_of(times)
    assert len(month.covered) == 7
    assert not month.by_weekday


def test_a_week_of_which_only_the_ends_have_requests_goes_by_the_clock():
    month = month_of([START + 0.5 * DAY, START + 8.5 * DAY])
    assert month.days_seen == pytest.approx(8)
    assert month.empty_days == 7
    assert month.requests == pytest.approx(30 / 7 * (1 / 1.5 + 1 / 1.5))


@pytest.mark.parametrize("days", range(7, 14))
def test_a_log_of_some_days_tells_the_month_although_weekends_are_quiet(days):
    generator = np.random.default_rng(days)
    a_day = np.array([1000, 1000, 1000, 200, 200, 1000, 1000])  # from Monday
    a_month = 30 / 7 * a_day.sum()
    by_span = []
    for first in range(7):
        # Weeks of arrivals, of which the log has so many days from some time of day on.
        begins = first + generator.random()
        volumes = generator.poisson(a_day[np.arange(30) % 7])
        arrivals = np.repeat(np.arange(30), volumes) + generator.random(volumes.sum())
        times = arrivals[(arrivals >= begins) & (arrivals < begins + days)]
        month = month_of(START + times * DAY)
        assert month.by_weekday
        assert month.requests == pytest.approx(a_month, rel=0.05)
        by_span.append(abs(len(times) / days * 30 / a_month - 1))
    if days == 10:
        assert max(by_span) > 0.08


def test_amounts_of_parts_of_the_requests_add_up_to_that_of_all():
    generator = np.random.default_rng(2)
    month = month_of(START + np.sort(generator.random(500)) * 9 * DAY)
    amounts = generator.random(500)
    is_first = generator.random(500) < 0.3
    whole = month.amount(amounts, np.ones(500, dtype=bool))
    assert whole == pytest.approx(month.shares(amounts).sum())
    assert month.amount(amounts, is_first) + month.amount(amounts, ~is_first) == pytest.approx(
        whole
    )
    assert month.amount(np.full(500, np.nan), is_first) is None
    assert month.amount(amounts, np.zeros(500, dtype=bool)) is None


def test_from_14_days_on_each_weekday_has_its_own_mean():
    # 17 days of which the weekdays 0 to 2 come three times; a day of weekday w has 10 + w requests.
    first = int(START // DAY)
    day = np.concatenate([np.full(10 + (first + d) % 7, d) for d in range(17)])
    rank = np.concatenate([np.arange(10 + (first + d) % 7) for d in range(17)])
    month = month_of(START + day * DAY + rank * 60)
    assert month.by_weekday
    assert month.requests == pytest.approx(30 / 7 * sum(10 + w for w in range(7)), rel=0.01)


def test_days_of_office_hours_are_whole_days_and_half_a_day_is_half_of_one():
    hours = np.arange(9, 17, 0.05)
    days = np.repeat(np.arange(28), len(hours))
    times = START + days * DAY + np.tile(hours, 28) * 3600
    whole = month_of(times)
    assert whole.requests == pytest.approx(30 * len(hours), rel=0.01)
    cut = month_of(times[(times > START + 13 * 3600) & (times < START + 27 * DAY + 11 * 3600)])
    assert cut.requests == pytest.approx(30 * len(hours), rel=0.01)


def test_days_without_a_request_count():
    week = [d for d in range(28) if d % 7 < 5]
    times = START + np.repeat(week, 100) * DAY + np.tile(np.arange(100) * 864.0, len(week))
    month = month_of(times)
    assert month.empty_days == 6  # the last weekend lies after the last request
    assert month.requests == pytest.approx(30 / 7 * 500, rel=0.01)


@pytest.mark.parametrize(
    ("times", "because"),
    [
        ([np.nan] * 3, "no times"),
        ([START, START + 3600], "less than a day"),
        ([-9e11, 9e11], "centuries"),
    ],
)
def test_a_log_that_tells_no_month_says_why(times, because):
    assert because in month_of(times)


def test_requests_without_tokens_count_as_the_mean_of_the_others():
    month = month_of(START + np.arange(0, 10.001, 0.1) * DAY)
    amounts = np.full(101, 2.0)
    amounts[::2] = np.nan
    assert month.shares(amounts).sum() == pytest.approx(2 * month.requests)


def test_a_budget_takes_the_largest_share_that_it_pays_for(sample_of):
    sample = priced(sample_of)
    requests = sample.month.requests
    halfway = requests * 5.5
    choice = choose(sample, Budget(halfway), noise=0.0)
    assert choice.month.this_threshold <= halfway
    assert choice.cut.strong_fraction == pytest.approx(0.5, abs=0.01)
    assert choice.cut.affordable_share == pytest.approx(0.5, abs=0.01)
    assert choice.month.always_strong == pytest.approx(10 * requests)
    assert choice.month.always_weak == pytest.approx(requests)
    assert choice.month.cost_interval.low < halfway < choice.month.cost_interval.high
    coming, mean = choice.month.next_cost_interval, choice.month.cost_interval
    assert coming.low < mean.low < mean.high < coming.high
    assert Month.from_json(choice.month.to_json()) == choice.month


def test_a_budget_below_all_weak_is_refused_with_that_figure(sample_of):
    sample = priced(sample_of)
    with pytest.raises(CalibrationError, match=f"{sample.month.requests:,.2f} USD with the weak"):
        choose(sample, Budget(sample.month.requests / 2), noise=0.0)
    never = choose(sample, Budget(sample.month.requests), noise=0.0).cut
    assert (never.threshold, never.strong_fraction) == ("1.0", 0.0)


def test_a_budget_above_all_strong_takes_all_strong(sample_of):
    cut = choose(priced(sample_of), Budget(1e9), noise=0.0).cut
    assert (cut.threshold, cut.strong_fraction, cut.affordable_share) == ("0.0", 1.0, 1.0)


def test_a_tie_leaves_a_budget_unused_and_that_is_a_miss(sample_of):
    sample = priced(sample_of, scores=np.where(np.arange(2800) % 2, 0.6, 0.2))
    target = Budget(sample.month.requests * (1 + 9 * 0.3))
    cut = choose(sample, target, noise=0.0).cut
    assert cut.strong_fraction == 0.0
    assert cut.affordable_share == pytest.approx(0.3)
    assert target.missed_by(cut) == pytest.approx(0.3)
    assert cut.tie.share_above == pytest.approx(0.5)


@pytest.mark.parametrize("usd", [0.0, -1.0, float("nan"), float("inf")])
def test_a_budget_is_a_number_above_0(usd):
    with pytest.raises(UsageError, match="5000/month"):
        Budget(usd)


def test_a_stored_budget_is_read_back():
    assert target_from_json(Budget(5000.0, 0.1).to_json()) == Budget(5000.0, 0.1)


def test_a_request_loses_its_prompt_cache_where_the_one_before_went_to_the_other_model():
    strong = np.array([True, False, False, True, True, True])
    talks = np.array([1, 1, 1, 2, -1, 2])
    times = np.array([1.0, 2.0, 3.0, 1.0, 4.0, 2.0])
    assert changes_model(strong, np.ones(6), talks, times) == pytest.approx(1 / 6)
    assert changes_model(strong, np.ones(6), np.full(6, -1), times) is None


@pytest.mark.parametrize(
    "name", ["14 days, effects of 3.5 points", "28 days, 1.7 points, weekend 8 points lower"]
)
def test_the_interval_of_a_month_holds_on_days_that_differ(monkeypatch, name):
    """Seeded: the same figures each time. The full run is the benchmark."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    benchmark = importlib.import_module("budget_coverage")
    (scene,) = (scene for scene in benchmark.CHOSEN if scene.name == name)
    coverage = benchmark.measure(replace(scene, requests_a_day=60), 100, seed=1)
    assert coverage.cost >= 0.9
    assert coverage.saving >= 0.9
    assert coverage.next_month >= 0.9
    assert coverage.half_width < 1.5 * coverage.ideal


def test_a_cost_never_ranges_below_0(sample_of):
    n = 30
    times = START + (np.arange(n) + 0.5) * 6 * DAY / n
    cost = np.full(n, 0.01)
    cost[7] = 100.0  # of one day, so that days differ by more than their mean
    sample = sample_of(np.linspace(0.1, 0.9, n), times=times)
    dependence = Dependence.of(sample.weights, sample.prompts, sample.conversations, sample.times)
    month = month_of_cut(
        month_of(times), dependence, np.ones(n, dtype=np.bool_), cost, cost / 10, 0.95
    )
    assert month.cost_interval.low == 0.0 < month.this_threshold < month.cost_interval.high
    assert month.next_cost_interval.low == 0.0
