"""How often the interval of a month's money holds, on traffic that changes from day to day.

    python benchmarks/budget_coverage.py --repetitions 1000 --seed 1

The traffic is that of `daily_coverage.py`. Besides, each day's volume varies (of each day a random
part of 60 to 100 % of its requests is kept), and a request's tokens are lognormal, alike within a
conversation and more where the score is high. `choose` takes a budget halfway between all weak and
all strong; then the US dollars of a month at that threshold, and what it saves against all strong,
are compared with the process's expectation (over 2,000 drawn days), and the money of one more
month with the interval for the next month. The ideal half-width is 1.96 times the root mean square
of the estimate less the expectation at the same threshold.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from daily_coverage import NOISE, SCENES, Floats, Process, Traffic

from routectl.calibration import (
    Budget,
    ScoredSample,
    TrafficMonth,
    month_of_cut,
)
from routectl.calibration.effective_size import Dependence
from routectl.policy import meets

STRONG, WEAK = 10e-6, 1e-6
"""US dollars per token."""
LEAST_KEPT = 0.6
TRUTH_DAYS = 2002
MONTH = 30

NAMES = (
    "7 days, effects of 1.5 points",
    "10 days, effects of 3.5 points",
    "14 days, effects of 0 points",
    "14 days, effects of 3.5 points",
    "20 days, 1.7 points, weekend 8 points lower",
    "28 days, effects of 0 points",
    "28 days, effects of 3.5 points",
    "28 days, 1.7 points, weekend 8 points lower",
    "28 days, 3.5 points, weekend 8 points lower",
    "28 days, 3.5 points, autocorrelation 0.5",
    "28 days, 20 templates are half",
    "28 days, a cron prompt is 30 %",
    "28 days, conversations over days",
    "28 days, 60 conversations",
    "28 days, huge conversations",
)
CHOSEN: Sequence[Traffic] = tuple(scene for scene in SCENES if scene.name in NAMES)


@dataclass(frozen=True)
class Money:
    """Requests with the US dollars of either model."""

    sample: ScoredSample
    strong: Floats
    weak: Floats

    def at(self, threshold: float) -> Floats:
        """US dollars of each request with the model that it goes to."""
        return np.where(meets(self.sample.win_rates, threshold), self.strong, self.weak)


def drawn(process: Process, days: int) -> Money:
    """Days of the process, with volumes and tokens of their own."""
    generator = process.generator
    sample, _ = process.draw(days)
    day = np.floor(sample.times / 86400).astype(np.int64)
    part = generator.uniform(LEAST_KEPT, 1.0, size=int(day.max() - day.min()) + 1)
    kept = generator.random(len(day)) < part[day - day.min()]
    if not kept.any():
        kept[0] = True
    columns = {
        name: getattr(sample, name)[kept]
        for name in (
            *("win_rates", "weights", "prompts", "conversations", "times", "tokens", "spend"),
        )
    }
    talk = np.where(
        columns["conversations"] >= 0, columns["conversations"], -2 - columns["prompts"]
    )
    _, number = np.unique(talk, return_inverse=True)
    common = generator.normal(size=int(number.max()) + 1)[number]
    # A prompt that is always the same always has as many tokens.
    common[columns["conversations"] < 0] = 0.0
    tokens = np.exp(
        6.0 + columns["win_rates"] + 0.6 * common + 0.6 * generator.normal(size=len(number))
    )
    sample = ScoredSample(**columns, strong_cost=STRONG * tokens, weak_cost=WEAK * tokens)
    return Money(sample, STRONG * tokens, WEAK * tokens)


@dataclass(frozen=True)
class Coverage:
    """Shares of the repetitions; widths relative to the month's money."""

    scene: Traffic
    repetitions: int
    cost: float
    saving: float
    next_month: float
    half_width: float
    ideal: float


def measure(scene: Traffic, repetitions: int, seed: int) -> Coverage:
    """Draw, choose and compare `repetitions` times. The same seed gives the same figures."""
    generator = np.random.default_rng(seed)
    process = Process(scene, generator)
    truth = drawn(process, TRUTH_DAYS)
    per_month = MONTH / TRUTH_DAYS
    halfway = per_month * float(truth.strong.sum() + truth.weak.sum()) / 2
    order = np.argsort(truth.sample.win_rates)[::-1]
    scores = truth.sample.win_rates[order]
    gained = np.concatenate(([0.0], np.cumsum((truth.strong - truth.weak)[order])))
    all_weak, all_strong = float(truth.weak.sum()), float(truth.strong.sum())
    cost_in = saving_in = next_in = 0
    widths, squares = [], []
    for _ in range(repetitions):
        money = drawn(process, scene.days)
        sample = money.sample
        month = TrafficMonth.of(sample.times, sample.weights)
        assert isinstance(month, TrafficMonth)
        table = replace(sample, month=month).cut_table()
        low, high = (float(column.total) for column in (table.month_weak, table.month_strong))  # type: ignore[union-attr]
        threshold = float(Budget(min(high, max(low, halfway))).cut(table, NOISE).threshold)
        above = int(np.searchsorted(-scores, -threshold, side="right"))
        expected = per_month * (all_weak + float(gained[above]))
        saved = per_month * all_strong - expected
        dependence = Dependence.of(
            sample.weights, sample.prompts, sample.conversations, sample.times
        )
        of_cut = month_of_cut(
            month,
            dependence,
            meets(sample.win_rates, threshold),
            money.strong,
            money.weak,
            0.95,
        )
        cost, saving = of_cut.cost_interval, of_cut.saving_interval
        assert cost is not None
        assert saving is not None
        cost_in += cost.low <= expected <= cost.high
        saving_in += saving.low <= saved <= saving.high
        following = float(drawn(process, MONTH).at(threshold).sum())
        coming = of_cut.next_cost_interval
        assert coming is not None
        next_in += coming.low <= following <= coming.high
        widths.append((cost.high - cost.low) / 2 / expected)
        squares.append((of_cut.this_threshold / expected - 1) ** 2)
    return Coverage(
        scene,
        repetitions,
        cost_in / repetitions,
        saving_in / repetitions,
        next_in / repetitions,
        float(np.mean(widths)),
        1.96 * math.sqrt(float(np.mean(squares))),
    )


def main() -> None:
    """Measure all scenes and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scene", help="only scenes whose name holds this")
    parser.add_argument("--requests-a-day", type=int, default=300)
    given = parser.parse_args()
    print("| traffic | month's cost | saving | next month | half-width | ideal |")
    print("|---|---|---|---|---|---|")
    for scene in CHOSEN:
        if given.scene and given.scene not in scene.name:
            continue
        c = measure(
            replace(scene, requests_a_day=given.requests_a_day), given.repetitions, given.seed
        )
        print(
            f"| {scene.name} | {c.cost:.1%} | {c.saving:.1%} | {c.next_month:.1%} "
            f"| {c.half_width:.1%} | {c.ideal:.1%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
