import numpy as np
import pytest

from routectl.calibration import StrongFraction, choose

DAY = 86400
START = 1.75e9 // DAY * DAY


def chosen(sample, target=0.3):
    return choose(sample, StrongFraction(target), noise=2e-7)


def over(days, n=1000):
    """Times that are spread evenly over so many days."""
    return START + np.arange(n) * days * DAY / n


def test_steady_traffic_lands_inside_its_own_range(sample_of):
    generator = np.random.default_rng(2)
    choice = chosen(sample_of(generator.random(1000), times=over(10)))
    check = choice.self_check
    assert choice.self_check_skipped is None
    assert (check.earlier_requests, check.later_requests) == (800, 200)
    assert (check.earlier_days, check.later_days) == (8, 2)
    assert check.split_at == START + 8 * DAY
    assert check.confidence == 0.95
    assert check.inside
    assert check.low < check.later_share < check.high


def test_traffic_that_shifted_lands_outside_and_the_full_sample_is_still_exported(sample_of):
    generator = np.random.default_rng(2)
    scores = generator.random(1000) * 0.7
    scores[800:] += 0.3
    choice = chosen(sample_of(scores, times=over(10)))
    assert not choice.self_check.inside
    assert choice.self_check.later_share > choice.self_check.high
    assert float(choice.self_check.threshold) < float(choice.cut.threshold)
    assert choice.cut.strong_fraction == pytest.approx(0.3, abs=0.001)


@pytest.mark.parametrize(("days", "later"), [(7, 1), (10, 2), (20, 4), (28, 7), (31, 7), (70, 14)])
def test_days_are_not_split_and_from_4_weeks_on_whole_weeks_are_looked_at(days, later, sample_of):
    generator = np.random.default_rng(2)
    check = chosen(sample_of(generator.random(1000), times=over(days))).self_check
    assert (check.earlier_days, check.later_days) == (days - later, later)
    assert check.split_at == START + (days - later) * DAY


def test_days_that_differ_as_much_as_before_are_no_failure(sample_of):
    generator = np.random.default_rng(3)
    day = np.repeat(np.arange(14), 200)
    scores = 0.2 * generator.random(14)[day] + 0.5 * generator.random(2800)
    check = chosen(sample_of(scores, times=over(14, 2800))).self_check
    assert check.inside
    assert check.high - check.low > 0.3


def test_requests_without_a_time_are_left_out_of_the_check_only(sample_of):
    times = np.where(np.arange(200) % 2 == 0, over(10, 200), np.nan)
    choice = chosen(sample_of(np.random.default_rng(1).random(200), times=times))
    assert choice.certainty.requests == 200
    assert choice.self_check.earlier_requests + choice.self_check.later_requests == 100


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        (np.full(100, np.nan), "no request has a time"),
        (np.where(np.arange(100) < 49, np.arange(100.0), np.nan), "only 49 requests"),
        (np.full(100, 5.0), "of 1 day (UTC)"),
        (over(5, 100), "of 5 days (UTC), and it takes 5 days before the last fifth"),
    ],
)
def test_where_it_cannot_be_done_the_reason_is_given(times, reason, sample_of):
    choice = chosen(sample_of(np.linspace(0, 0.9, 100), times=times))
    assert choice.self_check is None
    assert reason in choice.self_check_skipped
