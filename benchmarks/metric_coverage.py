"""How often the bootstrap intervals of APGR and CPT(50%) hold the truth.

    python benchmarks/metric_coverage.py --repetitions 300 --seed 1

Draws benchmarks of which the truth is known, of the size and the gap of RouteLLM's three, and
counts how often the stated 95 % interval holds it: that of the figure of one router, and that of
the difference between two equally good ones. With u in [0, 1] the rank of a prompt's score, the
expected gain of the strong model on it is gap * (1 + k (2u - 1)); then PGR at strong fraction f is
f + k f (1 - f) exactly, APGR is 1/2 + k/6, and CPT(x) solves f + k f (1 - f) = x. Widths are
medians: on a few draws of 72 prompts the gap itself is not sure, and the interval unbounded.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from routectl.evaluation.bootstrap import bootstrap
from routectl.evaluation.metrics import APGR, Metric, cpt_at

Floats = npt.NDArray[np.float64]
Generator = np.random.Generator
METRICS = (APGR, cpt_at(0.5))


@dataclass(frozen=True)
class Scene:
    """A benchmark: how many prompts, and the qualities given the expected gain of each."""

    name: str
    prompts: int
    gap: float
    slope: float
    """k: 0 is a router that knows nothing."""
    draw: Callable[[Generator, Floats], tuple[Floats, Floats]]
    """(generator, expected gains) -> qualities of the strong and the weak model's answers."""


def graded(generator: Generator, gains: Floats) -> tuple[Floats, Floats]:
    """Right or wrong: on 7 % only the weak model is, on 7 % and the gain only the strong."""
    chance = generator.random(len(gains))
    only_weak = chance < 0.07
    only_strong = (chance >= 0.07) & (chance < 0.14 + gains)
    return only_strong.astype(float), only_weak.astype(float)


def judged(generator: Generator, gains: Floats) -> tuple[Floats, Floats]:
    """Points of a judge in steps of a half, standard deviation 1.7 as on MT-Bench."""
    return np.round(2 * generator.normal(gains, 1.7)) / 2, np.zeros(len(gains))


SCENES = tuple(
    Scene(name, prompts, gap, slope, draw)
    for name, prompts, gap, draw in (
        ("as MT-Bench", 72, 0.9, judged),
        ("as GSM8K", 1_307, 0.22, graded),
        ("as MMLU", 14_000, 0.125, graded),
    )
    for slope in (0.0, 0.3)
)


def truth(metric: Metric, slope: float) -> float:
    """The figure of the whole population."""
    if metric.at is None:
        return 0.5 + slope / 6
    if slope == 0:
        return metric.at
    return ((1 + slope) - math.sqrt((1 + slope) ** 2 - 4 * slope * metric.at)) / (2 * slope)


def drawn(scene: Scene, generator: Generator) -> tuple[dict[str, Floats], Floats, Floats]:
    """Scores of two routers that see different things, equally well, and the two qualities."""
    first, second = generator.random((2, scene.prompts))
    gains = scene.gap * (1 + scene.slope * (2 * first - 1) + scene.slope * (2 * second - 1))
    strong, weak = scene.draw(generator, gains)
    return {"first": first, "second": second}, strong, weak


@dataclass
class Tally:
    """How often an interval held the truth, and its widths."""

    held: int = 0
    widths: list[float] = field(default_factory=list)

    def add(self, low: float, high: float, true: float) -> None:
        self.held += low <= true <= high
        self.widths.append(high - low)


def measure(
    scene: Scene, repetitions: int, draws: int, seed: int
) -> dict[Metric, tuple[Tally, Tally]]:
    """For each metric: of the first router's figure, and of the difference between the two."""
    tallies = {metric: (Tally(), Tally()) for metric in METRICS}
    for repetition in range(repetitions):
        generator = np.random.default_rng([seed, repetition, scene.prompts])
        found = bootstrap(
            *drawn(scene, generator),
            metrics=METRICS,
            draws=draws,
            seed=int(generator.integers(2**31)),
        )
        for metric, (figure, difference) in tallies.items():
            estimate = found.estimate("first", metric)
            figure.add(estimate.low, estimate.high, truth(metric, scene.slope))
            compared = found.compare("first", "second", metric)
            difference.add(compared.low, compared.high, 0.0)
    return tallies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=300)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(
        "| benchmark | prompts | true APGR | figure | truth | coverage / width | of differences |"
    )
    print("|---|---|---|---|---|---|---|")
    for scene in SCENES:
        tallies = measure(scene, arguments.repetitions, arguments.draws, arguments.seed)
        for metric, (figure, difference) in tallies.items():
            cells = [
                f"{100 * tally.held / arguments.repetitions:.1f} % / "
                f"{statistics.median(tally.widths):.3f}"
                for tally in (figure, difference)
            ]
            print(
                f"| {scene.name} | {scene.prompts:,} | {truth(APGR, scene.slope):.2f} | {metric} "
                f"| {truth(metric, scene.slope):.3f} | {' | '.join(cells)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
