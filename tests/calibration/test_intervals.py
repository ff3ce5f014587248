import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from routectl.calibration import (
    effective_size,
    long_run_interval,
    next_requests_interval,
    requests_for_half_width,
)


def size_of(strong, n, conversation_length=1):
    ids = np.arange(n) // conversation_length
    return effective_size(np.arange(n) < strong, np.ones(n), np.arange(n), ids)


@given(st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_independent_requests_have_the_order_statistics_interval(data, confidence):
    n = data.draw(st.integers(2, 400))
    k = data.draw(st.integers(0, n))
    interval = long_run_interval(size_of(k, n), confidence)
    tail = (1 - confidence) / 2
    low = stats.beta.ppf(tail, k, n - k + 1) if k else 0.0
    high = stats.beta.ppf(1 - tail, k + 1, n - k) if k < n else 1.0
    assert (interval.low, interval.high) == (pytest.approx(low), pytest.approx(high))
    assert interval.confidence == confidence


@given(st.data(), st.integers(1, 300))
def test_the_next_requests_have_the_outer_beta_binomial_quantiles(data, next_requests):
    n = data.draw(st.integers(2, 200))
    k = data.draw(st.integers(0, n))
    interval = next_requests_interval(size_of(k, n), next_requests)
    low, high = (round(end * next_requests) for end in (interval.low, interval.high))
    if k:
        below = stats.betabinom(next_requests, k, n - k + 1)
        assert below.cdf(low - 1) <= 0.025 + 1e-9
        assert below.cdf(low) >= 0.025 - 1e-9
    else:
        assert low == 0
    if k < n:
        above = stats.betabinom(next_requests, k + 1, n - k)
        assert above.sf(high) <= 0.025 + 1e-9
        assert above.sf(high - 1) >= 0.025 - 1e-9
    else:
        assert high == next_requests


def test_the_next_requests_are_less_certain_than_the_long_run_and_tend_to_it():
    size = size_of(300, 1000)
    long_run = long_run_interval(size)
    widths = []
    for n in (100, 1000, 10_000, 10_000_000):
        interval = next_requests_interval(size, n)
        assert interval.low <= long_run.low
        assert interval.high >= long_run.high
        widths.append(interval.high - interval.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == pytest.approx(long_run.high - long_run.low, abs=0.001)


def test_dependence_widens_both_intervals():
    alone, together = size_of(300, 1000), size_of(300, 1000, conversation_length=10)
    for interval_of in (long_run_interval, lambda size: next_requests_interval(size, 1000)):
        wide, narrow = interval_of(together), interval_of(alone)
        assert wide.high - wide.low > 2.5 * (narrow.high - narrow.low)


@pytest.mark.parametrize(("strong", "length"), [(0, 1), (300, 1), (300, 10), (1000, 1)])
@pytest.mark.parametrize("half_width", [0.1, 0.01, 0.001])
def test_the_requests_needed_are_just_enough(strong, length, half_width):
    size = size_of(strong, 1000, length)
    needed = requests_for_half_width(size, half_width)

    def width(requests):
        n = size.corrected_at(requests, 0.95)
        k = size.share * n
        low = stats.beta.ppf(0.025, k, n - k + 1) if strong else 0.0
        return (stats.beta.ppf(0.975, k + 1, n - k) if strong < 1000 else 1.0) - low

    assert width(needed) <= 2 * half_width < width(needed - 1)


def test_half_the_width_takes_about_four_times_the_requests():
    size = size_of(1500, 5000, conversation_length=5)
    interval = long_run_interval(size)
    needed = requests_for_half_width(size, (interval.high - interval.low) / 4)
    assert needed == pytest.approx(4 * 5000, rel=0.02)
