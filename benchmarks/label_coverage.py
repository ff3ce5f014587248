"""How often the intervals of `routectl label` hold the truth.

    python benchmarks/label_coverage.py --repetitions 500 --seed 1

In each repetition a traffic is made: prompts with a score, and how often each was sent. A verdict
of each is drawn by its score, with u in [0, 1] the rank of the score among the *requests*: the gain
of the strong model on it is expected to be gap * (1 + k (2u - 1)), so a router's APGR is
1/2 + k/6 in expectation, and k = 0 is one that knows nothing. Prompts are drawn by strata and
weighted as `label` does it, and the stated 95 % intervals are compared with two truths:

- *this traffic*: the APGR if every prompt of it had been judged;
- *its law*: 1/2 + k/6, what further traffic of the kind will show.

It is compared with the same sample without its weights, and a plain draw of distinct prompts of the
same size whose weights are its requests. Frequencies are 1, or Pareto with index 1.1 and capped at
500: the 300 most frequent of 5,000 prompts are then 59 % of the traffic. *Said "yes" or "no"* is
how often the first line of `label` claims to know; with k = 0 that is wrong, and should be rare.
"""

from __future__ import annotations

import argparse
import math
import statistics
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from routectl.evaluation.answering import answers
from routectl.evaluation.benchmark import JudgedPair
from routectl.evaluation.bootstrap import Estimate, apgr_interval, bootstrap
from routectl.evaluation.metrics import APGR, apgr, quality_curve
from routectl.evaluation.strata import draw_by_strata, remaining
from routectl.records import ModelPair

Floats = npt.NDArray[np.float64]
GAP = 0.25


@dataclass(frozen=True)
class Scene:
    """A traffic, and how much of it is judged."""

    name: str
    prompts: int
    sample: int
    slope: float
    """k: 0 is a router that knows nothing."""
    tail: float | None
    """Pareto index of the frequencies; None: each prompt was sent once."""
    frequent_differ: float = 0.0
    """By how much the gap of the often sent half of the requests lies above that of the rest."""
    levels: int | None = None
    """Distinct scores; None: all differ."""
    lost: float = 0.0
    """Share of the prompts that get no verdict."""


SCENES = (
    Scene("each prompt once", 5_000, 300, 0.0, None),
    Scene("each prompt once", 5_000, 300, 0.9, None),
    Scene("each prompt once", 5_000, 100, 0.9, None),
    Scene("each prompt once", 5_000, 50, 0.9, None),
    Scene("each prompt once", 5_000, 1_000, 0.9, None),
    Scene("each prompt once, 5 scores", 5_000, 300, 0.9, None, levels=5),
    Scene("each prompt once, a tenth lost", 5_000, 300, 0.9, None, lost=0.1),
    Scene("most of the prompts", 400, 300, 0.9, None),
    Scene("Pareto 1.1", 5_000, 300, 0.0, 1.1),
    Scene("Pareto 1.1", 5_000, 300, 0.9, 1.1),
    Scene("Pareto 1.1", 5_000, 100, 0.9, 1.1),
    Scene("Pareto 1.1, frequent ones differ", 5_000, 300, 0.9, 1.1, frequent_differ=0.3),
)


@dataclass(frozen=True)
class Traffic:
    """Arrays of shape (prompts,)."""

    scores: Floats
    requests: Floats
    strong: Floats
    weak: Floats


def made(scene: Scene, generator: np.random.Generator) -> Traffic:
    """A traffic with every verdict in it."""
    scores = generator.random(scene.prompts)
    if scene.levels is not None:
        scores = np.floor(scores * scene.levels) / scene.levels
    requests = np.ones(scene.prompts)
    if scene.tail is not None:
        requests = np.minimum(np.floor(generator.random(scene.prompts) ** (-1 / scene.tail)), 500)
    gain = GAP * (1 + scene.slope * (2 * ranks(scores, requests) - 1))
    order = np.argsort(requests, kind="stable")
    often = np.empty(scene.prompts, dtype=np.bool_)
    often[order] = np.cumsum(requests[order]) > requests.sum() / 2
    gain += scene.frequent_differ * (often - 0.5)
    tie = 0.3
    strong_wins = (1 - tie + gain) / 2
    chance = generator.random(scene.prompts)
    strong = np.where(chance < strong_wins, 1.0, np.where(chance < strong_wins + tie, 0.5, 0.0))
    return Traffic(scores, requests, strong, 1 - strong)


def ranks(scores: Floats, requests: Floats) -> Floats:
    """The middle of each score's place among the requests, in (0, 1)."""
    _, group = np.unique(scores, return_inverse=True)
    weight = np.bincount(group, weights=requests)
    middle: Floats = ((np.cumsum(weight) - weight / 2) / weight.sum())[group]
    return middle


def law(scene: Scene) -> float:
    """The APGR of endless traffic of the kind."""
    if scene.levels is None:
        return 0.5 + scene.slope / 6
    return 0.5 + scene.slope / 6 * (1 - 1 / scene.levels**2)


@dataclass
class Tally:
    """How often an interval held each truth, its widths and errors."""

    held: int = 0
    held_law: int = 0
    widths: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)

    def add(self, estimate: Estimate, true: float, by_law: float) -> None:
        self.held += estimate.low <= true <= estimate.high
        self.held_law += estimate.low <= by_law <= estimate.high
        self.widths.append(estimate.high - estimate.low)
        assert estimate.value is not None
        self.errors.append(estimate.value - true)


@dataclass
class Measured:
    """Of one scene."""

    weighted: Tally = field(default_factory=Tally)
    unweighted: Tally = field(default_factory=Tally)
    plain: Tally = field(default_factory=Tally)
    said: int = 0
    without_gap: int = 0


def measure(
    scene: Scene, repetitions: int, draws: int, seed: int, *, peers: bool = True
) -> Measured:
    """Draw, judge and evaluate again and again."""
    found = Measured()
    for repetition in range(repetitions):
        generator = np.random.default_rng([seed, repetition, scene.sample])
        traffic = made(scene, generator)
        whole = quality_curve(traffic.scores, traffic.strong, traffic.weak, traffic.requests)
        if not whole.gap > 0:
            continue
        true = apgr(whole)
        luck = generator.random(scene.prompts)
        sample = draw_by_strata(traffic.scores, traffic.requests, luck, scene.sample)
        kept = generator.random(scene.sample) >= scene.lost
        weights, strata = remaining(sample.weights, sample.strata, kept)
        rows = sample.rows[kept]
        judged = JudgedPair(
            benchmark="",
            pair=ModelPair("strong", "weak"),
            prompts=("",) * len(rows),
            strong_quality=traffic.strong[rows],
            weak_quality=traffic.weak[rows],
            weights=weights,
            strata=strata,
        )
        answer = answers({"": traffic.scores[rows]}, judged, draws=draws, seed=repetition)[""]
        found.said += answer.better_than_random != "can't tell"
        figure = answer.figures["APGR"]
        if figure is None:
            found.without_gap += 1
            continue
        found.weighted.add(figure, true, law(scene))
        if not peers:
            continue
        columns = (traffic.scores[rows], traffic.strong[rows], traffic.weak[rows])
        low, high = apgr_interval(*columns, draws=draws, seed=repetition)
        found.unweighted.add(Estimate(apgr(quality_curve(*columns)), low, high), true, law(scene))
        plainly = np.argsort(luck)[: scene.sample]
        columns = (traffic.scores[plainly], traffic.strong[plainly], traffic.weak[plainly])
        drawn = bootstrap(
            {"": columns[0]},
            *columns[1:],
            weights=traffic.requests[plainly],
            metrics=(APGR,),
            draws=draws,
            seed=repetition,
        )
        if drawn.curves[""].gap > 0:
            found.plain.add(drawn.estimate("", APGR), true, law(scene))
    return found


def cell(tally: Tally, *, with_law: bool = False) -> str:
    """Coverage, width and root mean square error."""
    n = len(tally.errors)
    error = math.sqrt(statistics.fmean(e**2 for e in tally.errors))
    held = f"{100 * tally.held / n:.1f}"
    if with_law:
        held += f" / {100 * tally.held_law / n:.1f}"
    return f"{held} / {statistics.median(tally.widths):.3f} / {error:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=500)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(
        "| traffic | prompts | judged | APGR by law | this traffic / its law / width / error | "
        'said "yes" or "no" | no gap shown | without weights | distinct prompts |'
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for scene in SCENES:
        found = measure(scene, arguments.repetitions, arguments.draws, arguments.seed)
        print(
            f"| {scene.name} | {scene.prompts:,} | {scene.sample:,} | {law(scene):.2f} | "
            f"{cell(found.weighted, with_law=True)} | "
            f"{100 * found.said / arguments.repetitions:.1f} % | "
            f"{100 * found.without_gap / arguments.repetitions:.1f} % | "
            f"{cell(found.unweighted)} | {cell(found.plain)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
