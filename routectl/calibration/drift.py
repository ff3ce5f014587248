"""Drift: does the calibrated share still hold, asked each night without an end?

An e-detector of Shiryaev and Roberts (Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric
framework for sequential change detection", 2023): R_t = (R_{t-1} + 1) L_t, where each day's L_t
has a mean of at most 1 as long as nothing has changed. Then R_t - t is a supermartingale, so that
R reaches 364 / 0.05 within a year in at most 5 % of years, however often somebody looks.

A day's share is compared with its own weekday's in the baseline, in units of the standard
deviation of a day, and only what lies outside of a margin counts: the baseline is itself an
estimate, and a small change changes no bill.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from routectl.calibration.arrays import Floats, Integers
from routectl.calibration.clusters import sums
from routectl.calibration.days import DAYS_A_WEEK, FEWEST_DAYS, WEEKDAYS_FROM

DEFAULT_TOLERANCE = 0.02
"""How far the long-run share may be from the calibrated one before it counts."""

ALARMS = 3
"""On one route: traffic, proxy, fallback. They share the level."""

LIMIT = ALARMS * 364 / 0.05
"""Of an e-value, at which its alarm rings: of all three in at most 5 % of years."""

DIFFERING_ALLOWED = 0.001
"""Of the prompts that a proxy decides by their score."""

FALLBACK_ALLOWED = 0.01
"""Of the requests that a proxy decides."""

ADVISED_DAYS = 28
"""Of a baseline; with fewer there are more false alarms."""

SHIFT = 0.05
"""The change of the share whose delay is told."""

LONGEST_DELAY = 365
"""Days after which a shift counts as not seen."""

_LAMBDAS = np.array([0.25, 0.5, 1.0, 2.0])
_STANDARD_ERRORS = 1.64
_SD_CONFIDENCE = 0.8
_MOST_CORRELATION = 0.9
_LARGEST_LOG = 690.0
"""Beyond which a float has no exponential."""
_PATHS = 500
_SHORT_HORIZON = 60
"""Days that are simulated first: most shifts are seen within them."""
_SEED = 20261129


@dataclass(frozen=True, slots=True, eq=False)
class DailyShares:
    """Days of traffic at one threshold, in order."""

    numbers: Integers
    """int64[days], ascending: days since 1970-01-01 (UTC)."""
    requests: Floats
    """float64[days], above 0: weighted requests with a score."""
    strong: Floats
    """float64[days]: those of them that go to the strong model."""

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def shares(self) -> Floats:
        """float64[days] in [0, 1]."""
        return self.strong / self.requests


@dataclass(frozen=True, slots=True)
class Baseline:
    """The calibration's own days, as later ones are compared with them. Plain values."""

    days: int
    share: float
    """Of all its requests."""
    weekday_shares: tuple[float, ...]
    """By weekday from Thursday, the first of January 1970; all alike below 14 days."""
    requests_a_day: float
    """Median."""
    weekday_requests: tuple[float, ...]
    """Of a day of each weekday; all the median below 14 days, and where a weekday has none."""
    sd: float
    """Of a day's share from its weekday's, at a day of that many requests; with what the
    correlation of a day and the next adds."""
    sd_limit: float
    """Upper limit of that, at 80 %."""
    degrees_of_freedom: int
    correlation: float
    """Of a day and the next one, at least 0."""

    @property
    def is_short(self) -> bool:
        """It has fewer days than are advised: more false alarms come by chance."""
        return self.days < ADVISED_DAYS

    @property
    def standard_error(self) -> float:
        """Of the share."""
        return self.sd / math.sqrt(self.days)

    def margin(self, tolerance: float) -> float:
        """How far from the calibrated share counts as no change."""
        return max(tolerance, _STANDARD_ERRORS * self.standard_error)


def baseline_of(days: DailyShares) -> Baseline | None:
    """The baseline of these days; None below 5 days."""
    count = len(days)
    if count < FEWEST_DAYS:
        return None
    share = float(days.strong.sum() / days.requests.sum())
    weekdays = days.numbers % DAYS_A_WEEK
    usual = float(np.median(days.requests))
    weekday_shares, weekday_requests = np.full(DAYS_A_WEEK, share), np.full(DAYS_A_WEEK, usual)
    means = 1
    if count >= WEEKDAYS_FROM:
        weight = sums(weekdays, DAYS_A_WEEK, days.requests)
        counts = np.bincount(weekdays, minlength=DAYS_A_WEEK)
        present = counts > 0
        strong = sums(weekdays, DAYS_A_WEEK, days.strong)
        weekday_shares[present] = strong[present] / weight[present]
        weekday_requests[present] = weight[present] / counts[present]
        means = int(present.sum())
    residuals = (days.shares - weekday_shares[weekdays]) / _spread(days.requests, usual)
    squares = float(residuals @ residuals)
    df = count - means
    follows = np.diff(days.numbers) == 1
    products = float((residuals[1:] * residuals[:-1])[follows].sum())
    correlation = min(max(products / squares, 0.0), _MOST_CORRELATION) if squares else 0.0
    # Shares of 0 or 1 do not vary from day to day, which says little of days to come.
    least = max(share * (1 - share), 1 / (usual * count)) / usual
    alike = math.sqrt((1 + correlation) / (1 - correlation))
    sd = math.sqrt(max(squares / df, least)) * alike
    return Baseline(
        days=count,
        share=share,
        weekday_shares=tuple(weekday_shares.tolist()),
        requests_a_day=usual,
        weekday_requests=tuple(weekday_requests.tolist()),
        sd=sd,
        sd_limit=sd * math.sqrt(df / _chi_square_quantile(df, 1 - _SD_CONFIDENCE)),
        degrees_of_freedom=df,
        correlation=correlation,
    )


def _spread(requests: Floats, usual: float) -> Floats:
    """How much wider the share of a day with so many requests scatters than a usual day's: as if
    all of it were the chance of its requests. A larger day's is taken for no narrower."""
    return np.sqrt(np.maximum(1.0, usual / requests))


def _chi_square_quantile(df: int, probability: float) -> float:
    from scipy.special import chdtri

    return float(chdtri(df, 1 - probability))


def e_values(baseline: Baseline, tolerance: float, later: DailyShares) -> Floats:
    """The evidence after each later day that the share has shifted.

    Args:
        tolerance: how far the long-run share may be from the calibrated one, in [0, 1).
        later: days after the baseline; days may be missing.

    Returns:
        float64[days], which reaches `LIMIT` where the alarm rings.
    """
    if not len(later):
        return np.empty(0)
    deviations = later.shares - expected_shares(baseline, later.numbers)
    logs = _log_e_values(baseline, tolerance, deviations, later.requests)
    return np.exp(np.minimum(logs, _LARGEST_LOG))


def expected_shares(baseline: Baseline, numbers: Integers) -> Floats:
    """What the baseline says of days, float64[days]."""
    return np.array(baseline.weekday_shares)[numbers % DAYS_A_WEEK]


def expected_requests(baseline: Baseline, numbers: Integers) -> Floats:
    """How many requests days have as in the baseline, float64[days]."""
    return np.array(baseline.weekday_requests)[numbers % DAYS_A_WEEK]


def _log_e_values(
    baseline: Baseline, tolerance: float, deviations: Floats, requests: Floats
) -> Floats:
    """
    Args:
        deviations: of days from what was expected, float64[..., days].
        requests: of the same days, float64[days].
    """
    return _detector(_log_increments(baseline, tolerance, deviations, requests))


def _log_increments(
    baseline: Baseline, tolerance: float, deviations: Floats, requests: Floats
) -> Floats:
    """log L of each day, float64[8, ..., days]: of a rise and of a fall at each lambda."""
    sd = baseline.sd_limit * _spread(requests, baseline.requests_a_day)
    z, margin = deviations / sd, baseline.margin(tolerance) / sd
    lambdas = _LAMBDAS.reshape(-1, *(1,) * deviations.ndim)
    rise = lambdas * (z - margin) - lambdas**2 / 2
    fall = lambdas * (-z - margin) - lambdas**2 / 2
    return np.concatenate((rise, fall))


def _detector(steps: Floats) -> Floats:
    """log R of each day, float64[..., days], the mean over detectors.

    Args:
        steps: log L of each detector and day, float64[detectors, ..., days].
    """
    totals = np.cumsum(steps, axis=-1)
    # R_t is the sum over the first days j of the product of L_j .. L_t.
    before = np.concatenate((np.zeros((*totals.shape[:-1], 1)), -totals[..., :-1]), axis=-1)
    return _mean_of_logs(totals + np.logaddexp.accumulate(before, axis=-1), axis=0)


def _mean_of_logs(logs: Floats, axis: int) -> Floats:
    """log of the mean of exp."""
    highest = logs.max(axis=axis, keepdims=True)
    mean = np.exp(logs - highest).mean(axis=axis)
    result: Floats = np.log(mean) + np.squeeze(highest, axis=axis)
    return result


def proxy_e_values(prompts: Floats, differing: Floats) -> Floats:
    """The evidence after each day that the proxy does not do what was exported.

    The null is that of 1,000 prompts one is decided otherwise: scores within the router's noise of
    a threshold are not among them, so that there is no reason for any. A likelihood ratio.

    Args:
        prompts: distinct prompts that the proxy decided by their score, float64[days].
        differing: those of them that it decided otherwise than the stored score says.

    Returns:
        float64[days], which reaches `LIMIT` where the alarm rings.
    """
    if not len(prompts):
        return np.empty(0)
    rates = np.array([0.01, 0.1, 0.5, 0.99])[:, np.newaxis]
    steps = differing * np.log(rates / DIFFERING_ALLOWED) + (prompts - differing) * np.log(
        (1 - rates) / (1 - DIFFERING_ALLOWED)
    )
    return np.exp(np.minimum(_detector(steps), _LARGEST_LOG))


def fallback_e_values(shares: Floats) -> Floats:
    """The evidence after each day that too many requests get the fallback.

    The null is that a day's mean share is at most 1 %. Bets on bounded means, which hold for shares
    of any distribution (Waudby-Smith and Ramdas, 2024).

    Args:
        shares: of each day's requests, float64[days] in [0, 1].

    Returns:
        float64[days], which reaches `LIMIT` where the alarm rings.
    """
    if not len(shares):
        return np.empty(0)
    bets = np.array([5.0, 20.0, 50.0, 90.0])[:, np.newaxis]
    steps = np.log1p(bets * (shares - FALLBACK_ALLOWED))
    return np.exp(np.minimum(_detector(steps), _LARGEST_LOG))


@dataclass(frozen=True, slots=True)
class NextLook:
    """What the look after the last one can say."""

    rings_from: float | None
    """The least share above the expected one at which it rings; None where no share does."""
    rings_to: float | None
    """The greatest one below at which it rings."""
    first_possible: int | None
    """After how many more looks it can ring at all: 1 is the next one. None: not within a year."""


def next_look(baseline: Baseline, tolerance: float, later: DailyShares, *, after: int) -> NextLook:
    """When the next look can first ring, and at which shares, if days have as many requests as
    those of the baseline.

    Args:
        later: the days that were looked at.
        after: number of the last day that was looked at, or of the baseline's last day.
    """
    shares = np.linspace(0.0, 1.0, 1001)
    for looks in range(1, LONGEST_DELAY + 1):
        numbers = np.concatenate((later.numbers, after + 1 + np.arange(looks)))
        to_come = expected_requests(baseline, numbers[len(later) :])
        weights = np.concatenate((later.requests, to_come))
        expected = expected_shares(baseline, numbers)
        repeated = np.repeat(shares[:, np.newaxis], looks, axis=1)
        past = np.broadcast_to(later.shares, (len(shares), len(later)))
        deviations = np.concatenate((past, repeated), axis=1) - expected
        last = _log_e_values(baseline, tolerance, deviations, weights)[:, -1]
        rings = last >= math.log(LIMIT)
        above, below = (shares > expected[-1]) & rings, (shares < expected[-1]) & rings
        if rings.any():
            first = looks == 1
            return NextLook(
                float(shares[above].min()) if first and above.any() else None,
                float(shares[below].max()) if first and below.any() else None,
                looks,
            )
        shares = shares[[0, -1]]
    return NextLook(None, None, None)


@dataclass(frozen=True, slots=True)
class Delay:
    """Days from a shift of the long-run share to the alarm, both ends of a simulation."""

    shift: float
    """Of the share, in [0, 1]."""
    median: int | None
    """None: more than a year."""
    ninety_percent: int | None
    """Within which nine of ten shifts are seen; None: more than a year."""


def delay(baseline: Baseline, tolerance: float, *, after: int, shift: float = SHIFT) -> Delay:
    """How long it takes until a shift of this size is seen, at this volume.

    500 paths with a fixed seed: days are normal about the shifted share, alike from day to day
    as the baseline's are, and what the baseline estimates is itself drawn from its error.

    Args:
        after: number of the last day before the shift.
    """
    for horizon in (_SHORT_HORIZON, LONGEST_DELAY):
        numbers = after + 1 + np.arange(horizon)
        first = _first_rings(baseline, tolerance, shift, numbers)
        median, ninety = (int(v) for v in np.quantile(first, [0.5, 0.9], method="higher"))
        if ninety <= horizon:
            break
    return Delay(
        shift,
        median if median <= LONGEST_DELAY else None,
        ninety if ninety <= LONGEST_DELAY else None,
    )


def _first_rings(baseline: Baseline, tolerance: float, shift: float, numbers: Integers) -> Integers:
    """Days until the alarm rings on each path, int64[paths]; one more than there are where it does
    not."""
    days, requests = len(numbers), expected_requests(baseline, numbers)
    generator = np.random.default_rng(_SEED)
    df, rho = baseline.degrees_of_freedom, baseline.correlation
    alike = math.sqrt((1 + rho) / (1 - rho))
    sd = baseline.sd / alike * np.sqrt(df / generator.chisquare(df, size=(_PATHS, 1)))
    error = sd * alike * generator.normal(size=(_PATHS, 1)) / math.sqrt(baseline.days)
    noise = generator.normal(size=(days, _PATHS)).T.copy()
    for day in range(1, days if rho else 0):
        noise[:, day] = rho * noise[:, day - 1] + math.sqrt(1 - rho**2) * noise[:, day]
    up = 1.0 if baseline.share + shift <= 1 else -1.0
    spread = _spread(requests, baseline.requests_a_day)
    deviations = up * shift + error + sd * noise * spread
    rings = _log_e_values(baseline, tolerance, deviations, requests) >= math.log(LIMIT)
    first: Integers = np.where(rings.any(axis=1), rings.argmax(axis=1) + 1, days + 1)
    return first
