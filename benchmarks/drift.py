"""How often the drift alarm rings although nothing changes, and how soon it does after a shift.

    python benchmarks/drift.py --repetitions 2000 --seed 1
    python benchmarks/drift.py --scenario --repetitions 100 --seed 1

In each repetition a calibration is based on 28 days, and each of the 365 nights after them has a
look at the day before: 30 % strong in the long run, 8 points less on Saturday and Sunday, which
have 40 % of the requests of another day; each day has an effect of its own, alike from day to day
where there is autocorrelation; requests are independent within a day. A false alarm is a year in
which it rings. A shift is one of all days from the first night on, from 0.30 to 0.35.

--scenario: the alarm as a user sees it. The share shifts by 8 points; is it noticed within the days
that `routectl drift` had printed for nine of ten shifts of 5 points?
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from routectl.calibration.drift import (
    DEFAULT_TOLERANCE,
    LIMIT,
    Baseline,
    DailyShares,
    baseline_of,
    delay,
    e_values,
)

Floats = npt.NDArray[np.float64]

SHARE = 0.3
WEEKEND = 0.08
NIGHTS = 365
SATURDAY = 2
"""Days since 1970-01-01, a Thursday, modulo 7."""
FIRST_DAY = 20_000


@dataclass(frozen=True)
class Scene:
    """Traffic whose long-run share is known."""

    requests_a_day: int
    effect: float
    """Standard deviation of a day's share, in points."""
    autocorrelation: float = 0.0
    baseline_days: int = 28

    @property
    def name(self) -> str:
        alike = f", autocorrelation {self.autocorrelation:g}" if self.autocorrelation else ""
        return f"{self.requests_a_day:,} a day, effects of {self.effect:g} points{alike}" + (
            "" if self.baseline_days == 28 else f", baseline of {self.baseline_days} days"
        )


SCENES = [
    Scene(volume, effect, autocorrelation)
    for volume in (500, 5_000)
    for effect in (0.0, 1.5, 3.0)
    for autocorrelation in ((0.0,) if not effect else (0.0, 0.3, 0.7))
] + [Scene(5_000, 1.5, 0.0, 14), Scene(5_000, 3.0, 0.7, 56)]


def draw(scene: Scene, shift: float, nights: int, generator: np.random.Generator) -> DailyShares:
    """The baseline's days and the nights after them, shifted from the first night on."""
    count = scene.baseline_days + nights
    numbers = FIRST_DAY + np.arange(count)
    is_weekend = np.isin(numbers % 7, (SATURDAY, SATURDAY + 1))
    rho = scene.autocorrelation
    noise = generator.normal(size=count)
    effect = noise.copy()
    for day in range(1, count):
        effect[day] = rho * effect[day - 1] + np.sqrt(1 - rho**2) * noise[day]
    share = SHARE + scene.effect / 100 * effect - WEEKEND * is_weekend + WEEKEND * 0.8 / 5.8
    share[scene.baseline_days :] += shift
    requests = np.where(is_weekend, 0.4, 1.0) * scene.requests_a_day * 7 / 5.8
    requests = generator.poisson(requests)
    strong = generator.binomial(requests, np.clip(share, 0.0, 1.0))
    return DailyShares(numbers, requests.astype(np.float64), strong.astype(np.float64))


def split(days: DailyShares, count: int) -> tuple[Baseline, DailyShares]:
    """The baseline of the first days, and the others."""
    first = DailyShares(days.numbers[:count], days.requests[:count], days.strong[:count])
    later = DailyShares(days.numbers[count:], days.requests[count:], days.strong[count:])
    baseline = baseline_of(first)
    assert baseline is not None
    return baseline, later


def rings_after(baseline: Baseline, later: DailyShares, tolerance: float) -> int | None:
    """Days until the alarm rings."""
    rings = e_values(baseline, tolerance, later) >= LIMIT
    return int(rings.argmax()) + 1 if rings.any() else None


def measure(scene: Scene, repetitions: int, tolerance: float, seed: int) -> str:
    """A row of the table."""
    generator = np.random.default_rng([seed, scene.requests_a_day, int(10 * scene.effect)])
    false = 0
    delays = []
    for _ in range(repetitions):
        quiet = split(draw(scene, 0.0, NIGHTS, generator), scene.baseline_days)
        false += rings_after(*quiet, tolerance) is not None
        shifted = split(draw(scene, 0.05, NIGHTS, generator), scene.baseline_days)
        delays.append(rings_after(*shifted, tolerance) or NIGHTS + 1)
    median, ninety = (int(v) for v in np.quantile(delays, [0.5, 0.9], method="higher"))
    said = (str(value) if value <= NIGHTS else "not within a year" for value in (median, ninety))
    return f"| {scene.name} | {100 * false / repetitions:.1f} | {' | '.join(said)} |"


def scenario(repetitions: int, tolerance: float, seed: int) -> None:
    """How often a shift of 8 points is seen within the printed delay of a shift of 5."""
    for scene in (Scene(5_000, 0.0), Scene(5_000, 1.5), Scene(5_000, 3.0), Scene(5_000, 1.5, 0.3)):
        generator = np.random.default_rng(seed)
        seen = quiet = 0
        printed = []
        for _ in range(repetitions):
            baseline, later = split(draw(scene, 0.0, 14, generator), scene.baseline_days)
            quiet += rings_after(baseline, later, tolerance) is None
            promised = (
                delay(baseline, tolerance, after=int(later.numbers[-1])).ninety_percent or NIGHTS
            )
            printed.append(promised)
            shifted = split(draw(scene, 0.08, NIGHTS, generator), scene.baseline_days)[1]
            seen += (rings_after(baseline, shifted, tolerance) or NIGHTS + 1) <= promised
        print(
            f"{scene.name}: quiet for 14 nights in {quiet} of {repetitions}, then noticed in time "
            f"in {seen} of {repetitions}; printed 90 % delay {int(np.median(printed))} days "
            f"(median), {min(printed)} to {max(printed)}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--tolerance", type=float, default=DEFAULT_TOLERANCE)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenario", action="store_true")
    arguments = parser.parse_args()
    if arguments.scenario:
        scenario(arguments.repetitions, arguments.tolerance, arguments.seed)
        return
    print("| traffic | false alarms a year, % | days to see 0.30 -> 0.35 | in 90 % |")
    print("|---|---|---|---|")
    for scene in SCENES:
        print(measure(scene, arguments.repetitions, arguments.tolerance, arguments.seed))


if __name__ == "__main__":
    main()
