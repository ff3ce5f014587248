"""How often the two intervals contain what they promise to contain.

    python benchmarks/interval_coverage.py --repetitions 4000 --seed 1

Draws samples of traffic whose distribution is known, lets `choose` pick a threshold on each,
and counts how often the stated 95 % interval holds the true long-run share at that threshold,
and how often the share of 1,000 further requests lies in the interval for them. They
are compared with the interval with Korn and Graubard's usual C - 1 degrees of freedom, and with the
plain binomial one, which takes all requests as independent.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from routectl.calibration import ScoredSample, StrongFraction, choose

Generator = np.random.Generator
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

NEXT_REQUESTS = 1000
TRUTH_CONVERSATIONS = 400_000


@dataclass(frozen=True)
class Scene:
    """A kind of traffic: `draw(generator, clusters)` gives scores and conversation ids."""

    name: str
    clusters: int
    target: float
    draw: Callable[[Generator, int], tuple[Floats, Integers]]


@dataclass(frozen=True)
class Coverage:
    """Shares of the repetitions, and mean widths of the intervals."""

    scene: Scene
    repetitions: int
    requests: float
    long_run: float
    long_run_width: float
    next_share: float
    next_width: float
    long_run_read_as_next: float
    usual: float
    usual_width: float
    plain: float
    plain_width: float


def independent(generator: Generator, clusters: int) -> tuple[Floats, Integers]:
    return generator.beta(2, 5, clusters), np.arange(clusters)


def tied(generator: Generator, clusters: int) -> tuple[Floats, Integers]:
    """Scores on a grid of 0.05, and 40 % of the requests on one value."""
    scores = np.round(generator.beta(2, 5, clusters) * 20) / 20
    return np.where(generator.random(clusters) < 0.4, 0.35, scores), np.arange(clusters)


def pareto(generator: Generator, count: int) -> Integers:
    """Pareto with index 1.5 from 1, cut off at 300: infinite variance but for the cap."""
    return np.minimum(generator.random(count) ** (-1 / 1.5), 300).astype(np.int64)


def lognormal(generator: Generator, count: int) -> Integers:
    """Lognormal with median 3 and sigma 1.2."""
    return np.maximum(1, np.round(3 * np.exp(generator.normal(0, 1.2, count)))).astype(np.int64)


def conversations(
    lengths: Callable[[Generator, int], Integers], correlation: float, length_effect: float = 0.0
) -> Callable[[Generator, int], tuple[Floats, Integers]]:
    """Conversations whose requests correlate, on the scale of a normal score.

    Args:
        correlation: of two requests of one conversation; 1 gives them the same score.
        length_effect: how much harder, in standard deviations, a conversation is for each
            factor e of its length.
    """

    def draw(generator: Generator, clusters: int) -> tuple[Floats, Integers]:
        length = lengths(generator, clusters)
        ids = np.repeat(np.arange(clusters), length)
        effect = generator.normal(size=clusters) + length_effect * np.log(length)
        latent = math.sqrt(correlation) * effect[ids]
        latent += math.sqrt(1 - correlation) * generator.normal(size=len(ids))
        return 1 / (1 + np.exp(-latent)), ids

    return draw


SCENES = [
    Scene("independent", 500, 0.3, independent),
    Scene("independent, few strong", 500, 0.02, independent),
    Scene("independent", 5000, 0.3, independent),
    Scene("tied", 500, 0.3, tied),
    Scene("repeated prompts, Pareto 1.5", 400, 0.3, conversations(pareto, 1.0)),
    *(
        Scene(f"{name}, correlation {correlation}", clusters, target, draw)
        for name, lengths in (("Pareto 1.5", pareto), ("lognormal 1.2", lognormal))
        for correlation in (0.8, 0.3)
        for draw in [conversations(lengths, correlation)]
        for clusters in (100, 400)
        for target in (0.3, 0.1)
    ),
    Scene("lognormal 1.2, long ones harder", 100, 0.3, conversations(lognormal, 0.8, 0.5)),
    Scene("lognormal 1.2, long ones harder", 400, 0.3, conversations(lognormal, 0.8, 0.5)),
    Scene("Pareto 1.5, long ones harder", 100, 0.3, conversations(pareto, 0.8, 0.5)),
    Scene("Pareto 1.5, long ones harder", 400, 0.3, conversations(pareto, 0.8, 0.5)),
]


def sample_of(scores: Floats, ids: Integers) -> ScoredSample:
    n = len(scores)
    unknown = np.full(n, np.nan)
    # Each request a prompt of its own: the dependence is in the conversations alone.
    return ScoredSample(scores, np.ones(n), np.arange(n), ids, unknown, unknown, unknown)


def clopper_pearson(share: float, n: float) -> tuple[float, float]:
    from scipy.special import betaincinv

    k = share * n
    low = betaincinv(k, n - k + 1, 0.025) if share > 0 else 0.0
    return float(low), float(betaincinv(k + 1, n - k, 0.975) if share < 1 else 1.0)


def usual_size(strong: npt.NDArray[np.bool_], ids: Integers) -> float:
    """Korn and Graubard's effective size as it is usually computed: C/(C-1), C-1."""
    from scipy.special import stdtrit

    n, clusters, share = len(strong), int(ids[-1]) + 1, float(np.mean(strong))
    residuals = np.bincount(ids, strong - share)
    variance = clusters / (clusters - 1) * float(residuals @ residuals) / n**2
    if variance == 0:
        return float(clusters)
    ratio = stdtrit(n - 1, 0.025) / stdtrit(clusters - 1, 0.025)
    return float(min(n, share * (1 - share) / variance) * ratio**2)


def measure(scene: Scene, repetitions: int, seed: int) -> Coverage:
    """Draw, choose and compare `repetitions` times. The same seed gives the same figures."""
    generator = np.random.default_rng(seed)
    population = np.sort(scene.draw(generator, TRUTH_CONVERSATIONS)[0])
    rows = []
    for _ in range(repetitions):
        scores, ids = scene.draw(generator, scene.clusters)
        choice = choose(
            sample_of(scores, ids),
            StrongFraction(scene.target),
            noise=2e-7,
            next_requests=NEXT_REQUESTS,
        )
        threshold = float(choice.cut.threshold)
        truth = 1 - np.searchsorted(population, threshold) / len(population)
        further = scene.draw(generator, NEXT_REQUESTS)[0][:NEXT_REQUESTS]
        share = float(np.mean(further >= threshold))
        low, high = clopper_pearson(choice.cut.strong_fraction, len(scores))
        usual = usual_size(scores >= threshold, ids)
        usual_low, usual_high = clopper_pearson(choice.cut.strong_fraction, usual)
        certainty = choice.certainty
        long_run, next_share = certainty.long_run, certainty.next_share
        rows.append(
            (
                len(scores),
                long_run.low <= truth <= long_run.high,
                long_run.high - long_run.low,
                next_share.low <= share <= next_share.high,
                next_share.high - next_share.low,
                long_run.low <= share <= long_run.high,
                usual_low <= truth <= usual_high,
                usual_high - usual_low,
                low <= truth <= high,
                high - low,
            )
        )
    return Coverage(scene, repetitions, *(float(v) for v in np.mean(rows, axis=0)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    error = 100 * math.sqrt(0.95 * 0.05 / arguments.repetitions)
    print(f"{arguments.repetitions:,} repetitions, seed {arguments.seed}; one standard error of a")
    print(f"coverage of 95 % is {error:.1f} points. Covers / mean width, both in %.\n")
    print("| traffic | clusters | target | mean requests | long run | next 1,000 | ", end="")
    print("read as next | C - 1 | plain |")
    print("|---|---|---|---|---|---|---|---|---|")
    for scene in SCENES:
        c = measure(scene, arguments.repetitions, arguments.seed)
        print(
            f"| {scene.name} | {scene.clusters} | {scene.target} | {c.requests:.0f} "
            f"| {100 * c.long_run:.1f} / {100 * c.long_run_width:.1f} "
            f"| {100 * c.next_share:.1f} / {100 * c.next_width:.1f} "
            f"| {100 * c.long_run_read_as_next:.1f} "
            f"| {100 * c.usual:.1f} / {100 * c.usual_width:.1f} "
            f"| {100 * c.plain:.1f} / {100 * c.plain_width:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
