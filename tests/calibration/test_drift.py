"""The drift alarm: quiet on traffic like the calibration's, and not blind to a change."""

from __future__ import annotations

import numpy as np
import pytest

from routectl.calibration import drift
from routectl.calibration.drift import (
    LIMIT,
    DailyShares,
    baseline_of,
    delay,
    e_values,
    fallback_e_values,
    next_look,
    proxy_e_values,
)

WEEKEND = np.array([0.0, 0.0, -0.08, -0.08, 0.0, 0.0, 0.0])


def days(
    count: int, seed: int, *, share: float = 0.3, requests: int = 2000, first: int = 20_000
) -> DailyShares:
    """Independent days with a weekend effect."""
    generator = np.random.default_rng(seed)
    numbers = first + np.arange(count)
    strong = generator.binomial(requests, share + WEEKEND[numbers % 7])
    return DailyShares(numbers, np.full(count, float(requests)), strong.astype(np.float64))


def baseline(seed: int = 0) -> drift.Baseline:
    made = baseline_of(days(28, seed))
    assert made is not None
    return made


def later(count: int, seed: int, shift: float = 0.0) -> DailyShares:
    return days(count, seed, share=0.3 + shift, first=20_028)


def test_traffic_as_before_rings_in_few_years() -> None:
    rang = [
        bool((e_values(baseline(seed), 0.02, later(365, 1000 + seed)) >= LIMIT).any())
        for seed in range(60)
    ]
    assert sum(rang) <= 1


@pytest.mark.parametrize("shift", [0.06, -0.06])
def test_a_shift_to_either_side_is_seen_in_time(shift: float) -> None:
    promised = delay(baseline(), 0.02, after=20_027)
    assert promised.ninety_percent is not None
    seen = [
        bool(
            (
                e_values(baseline(seed), 0.02, later(promised.ninety_percent, 99 + seed, shift))
                >= LIMIT
            )[-1]
        )
        for seed in range(40)
    ]
    assert sum(seen) >= 36


def test_a_shift_within_the_tolerance_is_none() -> None:
    assert (e_values(baseline(), 0.05, later(365, 5, 0.04)) < LIMIT).all()


def test_a_weekend_widens_nothing_and_is_expected() -> None:
    made = baseline()
    assert made.sd < 0.02
    saturday, monday = made.weekday_shares[2], made.weekday_shares[4]
    assert monday - saturday == pytest.approx(0.08, abs=0.03)
    quiet = baseline_of(DailyShares(*(column[:10] for column in _columns(days(28, 0)))))
    assert quiet is not None
    assert len(set(quiet.weekday_shares)) == 1
    assert quiet.sd > made.sd


def _columns(of: DailyShares) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return of.numbers, of.requests, of.strong


def test_the_e_values_are_those_of_the_recursion() -> None:
    made, then = baseline(), later(40, 3, 0.03)
    sd = made.sd_limit
    z = (then.shares - np.array(made.weekday_shares)[then.numbers % 7]) / sd
    margin = made.margin(0.02) / sd
    expected = []
    detectors = np.zeros(8)
    for value in z:
        steps = [
            np.exp(lam * (side * value - margin) - lam**2 / 2)
            for side in (1, -1)
            for lam in (0.25, 0.5, 1.0, 2.0)
        ]
        detectors = (detectors + 1) * np.array(steps)
        expected.append(detectors.mean())
    assert e_values(made, 0.02, then) == pytest.approx(np.array(expected))


def test_what_comes_later_changes_no_earlier_look() -> None:
    made, then = baseline(), later(40, 3, 0.05)
    first = DailyShares(*(column[:25] for column in _columns(then)))
    assert e_values(made, 0.02, first) == pytest.approx(e_values(made, 0.02, then)[:25])


def test_missing_days_and_days_of_few_requests_are_fine() -> None:
    made, then = baseline(), later(60, 7)
    kept = np.arange(60) % 3 != 1
    gaps = DailyShares(*(column[kept] for column in _columns(then)))
    assert (e_values(made, 0.02, gaps) < LIMIT).all()
    # Ten days of one request each, all strong: that is chance.
    ones = DailyShares(20_028 + np.arange(10), np.ones(10), np.ones(10))
    assert (e_values(made, 0.02, ones) < LIMIT).all()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_shares_of_nothing_and_all_have_a_baseline(share: float) -> None:
    same = DailyShares(20_000 + np.arange(28), np.full(28, 500.0), np.full(28, 500.0 * share))
    made = baseline_of(same)
    assert made is not None
    quiet = DailyShares(20_028 + np.arange(99), np.full(99, 500.0), np.full(99, 500.0 * share))
    assert (e_values(made, 0.02, quiet) < LIMIT).all()
    other = DailyShares(20_028 + np.arange(9), np.full(9, 500.0), np.full(9, 100.0))
    evidence = e_values(made, 0.02, other)
    assert evidence[-1] >= LIMIT
    assert np.isfinite(evidence).all()


def test_fewer_than_five_days_have_no_baseline() -> None:
    assert baseline_of(days(4, 0)) is None
    assert baseline_of(days(5, 0)) is not None


def test_the_margin_is_what_the_baseline_cannot_tell_where_that_is_more() -> None:
    short = baseline_of(days(7, 0, requests=200))
    assert short is not None
    assert short.margin(0.001) == pytest.approx(1.64 * short.standard_error)
    assert short.margin(0.2) == 0.2


def test_the_next_look_rings_from_the_share_that_is_named() -> None:
    made, then = baseline(), later(10, 3, 0.02)
    look = next_look(made, 0.02, then, after=20_037)
    assert look.first_possible == 1
    assert look.rings_from is not None
    assert look.rings_to is not None
    for share, rings in (
        (look.rings_from, True),
        (look.rings_from - 0.005, False),
        (look.rings_to, True),
        (look.rings_to + 0.005, False),
    ):
        numbers = np.append(then.numbers, 20_038)
        requests = np.append(then.requests, 2000.0)
        strong = np.append(then.strong, 2000.0 * share)
        evidence = e_values(made, 0.02, DailyShares(numbers, requests, strong))
        assert bool(evidence[-1] >= LIMIT) is rings


def test_where_one_night_cannot_ring_the_first_that_can_is_named() -> None:
    wide = baseline_of(days(28, 0, requests=6))
    assert wide is not None
    none = DailyShares(np.empty(0, np.int64), np.empty(0), np.empty(0))
    look = next_look(wide, 0.02, none, after=20_027)
    assert look.first_possible is not None
    assert look.first_possible > 1
    assert (look.rings_from, look.rings_to) == (None, None)


def test_the_delay_is_the_same_each_time_and_shorter_for_more_requests() -> None:
    many = baseline_of(days(28, 1, requests=5000))
    few = baseline_of(days(28, 1, requests=500))
    assert many is not None
    assert few is not None
    assert delay(many, 0.02, after=20_027) == delay(many, 0.02, after=20_027)
    first, second = delay(many, 0.02, after=20_027), delay(few, 0.02, after=20_027)
    assert first.median is not None
    assert second.median is not None
    assert first.median < second.median
    assert delay(few, 0.06, after=20_027).median is None


def test_a_proxy_that_decides_otherwise_is_seen_the_next_night() -> None:
    assert proxy_e_values(np.array([100.0]), np.array([6.0]))[-1] >= LIMIT
    assert (proxy_e_values(np.full(365, 800.0), np.zeros(365)) < LIMIT).all()
    # One prompt a day that differs, of a thousand, is what is allowed.
    assert (proxy_e_values(np.full(30, 1000.0), np.ones(30)) < LIMIT).all()


def test_a_fallback_that_lasts_is_seen_and_one_of_a_hundred_is_not() -> None:
    assert (fallback_e_values(np.full(365, 0.01)) < LIMIT).all()
    assert (fallback_e_values(np.full(5, 0.3)) >= LIMIT).any()
    assert (fallback_e_values(np.full(10, 0.06)) >= LIMIT).any()
    # A single bad night is no rate.
    assert (fallback_e_values(np.array([0.0, 0.5, 0.0, 0.0])) < LIMIT).all()
