import numpy as np
import pytest

from routectl.calibration import StrongFraction, choose


def chosen(sample, target=0.3):
    return choose(sample, StrongFraction(target), noise=2e-7)


def test_steady_traffic_lands_inside_its_own_range(sample_of):
    generator = np.random.default_rng(2)
    choice = chosen(sample_of(generator.random(1000), times=np.arange(1000) * 60.0))
    check = choice.self_check
    assert choice.self_check_skipped is None
    assert (check.earlier_requests, check.later_requests) == (800, 200)
    assert check.split_at == 800 * 60.0
    assert check.inside
    assert check.low < check.later_share < check.high


def test_traffic_that_shifted_lands_outside_and_the_full_sample_is_still_exported(sample_of):
    generator = np.random.default_rng(2)
    scores = generator.random(1000) * 0.7
    scores[800:] += 0.3
    choice = chosen(sample_of(scores, times=np.arange(1000.0)))
    assert not choice.self_check.inside
    assert choice.self_check.later_share > choice.self_check.high
    assert float(choice.self_check.threshold) < float(choice.cut.threshold)
    assert choice.cut.strong_fraction == pytest.approx(0.3, abs=0.001)


def test_requests_of_one_time_stay_together(sample_of):
    times = np.repeat(np.arange(10.0), 10)
    times[70:95] = 7.0
    check = chosen(sample_of(np.linspace(0, 0.9, 100), times=times)).self_check
    assert (check.earlier_requests, check.later_requests, check.split_at) == (70, 30, 7.0)


def test_requests_without_a_time_are_left_out_of_the_check_only(sample_of):
    times = np.where(np.arange(200) % 2 == 0, np.arange(200.0), np.nan)
    choice = chosen(sample_of(np.linspace(0, 0.9, 200)[::-1], times=times))
    assert choice.certainty.requests == 200
    assert choice.self_check.earlier_requests + choice.self_check.later_requests == 100


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        (np.full(100, np.nan), "no request has a time"),
        (np.where(np.arange(100) < 49, np.arange(100.0), np.nan), "only 49 requests"),
        (np.full(100, 5.0), "same"),
    ],
)
def test_where_it_cannot_be_done_the_reason_is_given(times, reason, sample_of):
    choice = chosen(sample_of(np.linspace(0, 0.9, 100), times=times))
    assert choice.self_check is None
    assert reason in choice.self_check_skipped
