"""Calendar days in the effective size and in the interval of the next requests."""

import numpy as np
import pytest

from routectl.calibration import effective_size, long_run_interval, next_requests_interval
from routectl.calibration.clusters import variance_by
from routectl.calibration.days import CalendarDays

DAY = 86400
MONDAY = 4 * DAY  # 1970-01-05


def size_of(strong, times, prompts=None, conversations=None, weights=None):
    n = len(strong)
    return effective_size(
        np.asarray(strong, dtype=np.bool_),
        np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64),
        np.arange(n) if prompts is None else np.asarray(prompts),
        np.full(n, -1) if conversations is None else np.asarray(conversations),
        np.asarray(times, dtype=np.float64),
    )


def days_of(shares, a_day=100):
    """Strong requests and times: each day has its share, exactly, spread over the day."""
    strong = np.concatenate([np.arange(a_day) < round(share * a_day) for share in shares])
    day = np.repeat(np.arange(len(shares)), a_day)
    return strong, MONDAY + (day + np.tile(np.arange(a_day) / a_day, len(shares))) * DAY


def test_a_day_is_a_calendar_day_in_utc():
    calendar = CalendarDays.of(np.array([0.0, DAY - 1, DAY, np.nan, 9 * DAY, -1.0]))
    assert calendar.numbers.tolist() == [-1, 0, 1, 9]
    assert calendar.of_request.tolist() == [1, 1, 2, -1, 3, 0]
    assert (calendar.span, calendar.whole_weeks) == (11, 1)


def test_numbers_that_are_no_times_are_no_days():
    calendar = CalendarDays.of(np.array([np.inf, -np.inf, 1e300, np.nan]))
    assert len(calendar) == 0
    assert calendar.of_request.tolist() == [-1] * 4


def test_from_5_days_on_days_that_differ_decide():
    shares = [0.1, 0.5, 0.2, 0.4, 0.3]
    size = size_of(*days_of(shares))
    assert (size.decided_by, size.days) == ("day", 5)
    assert size.degrees_of_freedom == pytest.approx(4)
    assert size.variance == pytest.approx(np.var(shares, ddof=1) / 5, rel=0.01)
    four = size_of(*days_of(shares[:4]))
    assert (four.decided_by, four.days, four.variation) == ("prompt", 4, None)


def test_from_14_days_on_a_day_is_compared_with_its_weekday():
    weekly = [0.5, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1]
    noise = np.tile([0.04, -0.04], 14)
    shares = np.array(weekly * 4) + noise
    size = size_of(*days_of(shares, a_day=1000))
    assert size.degrees_of_freedom == pytest.approx(21)
    assert size.variance == pytest.approx((noise**2).sum() / 28**2 * 28 / 21, rel=0.01)
    assert size.variation.weekday_offsets.round(3).tolist() == [
        *(0.114, 0.114, -0.286, -0.286),
        *(0.114, 0.114, 0.114),
    ]
    thirteen = size_of(*days_of(shares[:13], a_day=1000))
    assert thirteen.degrees_of_freedom == pytest.approx(12)
    assert thirteen.variance > 4 * size.variance


def test_days_that_are_all_alike_leave_the_units_to_decide():
    shuffled = np.random.default_rng(1).permutation(2800) < 840
    size = size_of(shuffled, MONDAY + np.arange(2800) * DAY / 100)
    assert size.n_eff <= 2800
    assert size.n_eff > 1000
    alike = size_of(*days_of([0.3] * 28))
    assert alike.decided_by == "prompt"
    assert alike.n_eff == pytest.approx(2800)


def test_units_that_lie_in_one_day_each_are_not_counted_twice():
    shares = np.random.default_rng(2).uniform(0.1, 0.5, 10)
    strong, times = days_of(shares)
    alone = size_of(strong, times)
    in_talks = size_of(strong, times, conversations=np.arange(1000) // 4)
    assert in_talks.variance == pytest.approx(alone.variance)


def test_units_that_go_over_days_add_to_the_variance_of_days():
    generator = np.random.default_rng(3)
    talk = generator.integers(0, 50, 2000)
    strong = (generator.random(50) < 0.3)[talk]
    times = MONDAY + generator.random(2000) * 10 * DAY
    size = size_of(strong, times, conversations=talk)
    without_days = size_of(strong, np.full(2000, np.nan), conversations=talk)
    assert size.variance >= without_days.variance


def test_a_recurring_prompt_is_no_cluster_from_10_days_on():
    generator = np.random.default_rng(4)
    strong, prompts = generator.random(3000) < 0.3, np.arange(3000)
    strong[::3], prompts[::3] = True, 0
    for days, least, most in ((9, 0, 20), (10, 500, 3000)):
        times = MONDAY + np.arange(3000) * days * DAY / 3000
        assert least < size_of(strong, times, prompts=prompts).corrected(0.95) <= most


def test_a_difference_of_rounding_does_not_choose_the_units():
    generator = np.random.default_rng(5)
    strong, weights = generator.random(999) < 0.3, generator.uniform(0.3, 0.7, 999)
    ids = np.arange(999)
    for shift in (0, 1, 17):
        size = size_of(
            strong,
            np.full(999, np.nan),
            prompts=np.roll(ids, shift),
            conversations=ids,
            weights=weights,
        )
        assert size.cluster_kind == "conversation"


def test_requests_without_a_time_leave_what_days_add():
    shares = [0.1, 0.5] * 5
    strong, times = days_of(shares)
    timed = size_of(strong, times)
    half = size_of(strong, np.where(np.arange(1000) % 2 == 0, times, np.nan))
    assert half.decided_by == "day"
    assert half.variance == pytest.approx(timed.variance, rel=0.1)


def test_strata_give_the_usual_correction_for_each_estimated_share():
    residuals = np.array([1.0, -1.0] * 7)
    variance = variance_by(residuals, np.ones(14), np.ones(14), 0.25, np.repeat(np.arange(7), 2))
    assert variance.value == pytest.approx(14 / 14**2 * 14 / 7)
    assert variance.degrees_of_freedom == pytest.approx(7)


def test_the_next_requests_count_the_days_that_they_fill():
    generator = np.random.default_rng(6)
    size = size_of(*days_of(np.clip(generator.normal(0.3, 0.08, 28), 0, 1)))
    variation = size.variation
    assert variation.requests_a_day.tolist() == [100.0] * 7
    offsets = variation.weekday_offsets
    # One whole day, from each weekday with the same chance.
    assert variation.variance_of_next(100) == pytest.approx(variation.between + np.mean(offsets**2))
    # In whole weeks the weekdays cancel.
    assert variation.variance_of_next(1400) == pytest.approx(variation.between / 14)
    widths = [
        next_requests_interval(size, n).high - next_requests_interval(size, n).low
        for n in (100, 700, 7000)
    ]
    assert widths == sorted(widths, reverse=True)
    long_run = long_run_interval(size)
    assert widths[-1] > long_run.high - long_run.low


def test_days_that_differ_widen_the_range_of_the_next_requests():
    alike = next_requests_interval(size_of(*days_of([0.3] * 28)), 1000)
    shares = np.tile([0.2, 0.4], 14)
    differ = next_requests_interval(size_of(*days_of(shares, a_day=1000)), 1000)
    assert differ.high - differ.low > 0.3 > 4 * (alike.high - alike.low) / 2
