"""How often `calibrate --max-loss` keeps its promise, and how near it comes to what is possible.

    python benchmarks/max_loss.py --repetitions 1000 --seed 1

Each repetition makes the traffic of 28 days and a verdict of each request, draws labels by strata
and weights them as `label` does, and chooses a cut that loses at most 0.03 with 95 % confidence. A
score is uniform in (0, 1). The gain of the strong model is expected to be gain(score), plus an
effect of the day and one of the conversation; 30 % of the verdicts are ties. A cut breaks the
promise where the loss at its threshold is above 0.03: *by law*, the expectation over the process,
and in *this traffic*, if every request of it had been judged.

Where MAPIE is installed it is run on the same labels. It takes no weights, so it gets rows that are
drawn from the labels in proportion to their weights, none twice, as many as their evenness allows:

- *MAPIE, net loss*: its fixed-sequence procedure with its Hoeffding-Bentkus p-values, on
  (loss + 1) / 2, since it takes losses in [0, 1];
- *MAPIE, lost verdicts*: its `BinaryClassificationController`, whose risks are yes or no: the share
  of the requests that the weak model answers and loses. What it wins does not count.

*Normal* adds 1.645 standard errors to the weighted mean; its errors are those of the sample alone.
"""

from __future__ import annotations

import argparse
import importlib.util
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from routectl.calibration.loss import JudgedSample, LossTest
from routectl.evaluation.strata import draw_by_strata, remaining

Floats = npt.NDArray[np.float64]
Generator = np.random.Generator

LIMIT, CONFIDENCE, TIES = 0.03, 0.95, 0.3
DAYS = 28
HAS_MAPIE = importlib.util.find_spec("mapie") is not None


@dataclass(frozen=True)
class Scene:
    """A traffic, and how much of it is judged."""

    name: str
    gain: Callable[[Floats], Floats]
    """Expected, by score."""
    labels: int = 1000
    requests_a_day: int = 500
    day_effect: float = 0.03
    """Standard deviation of a day's gain."""
    conversation_effect: float = 0.1
    """The same of conversations, which have three requests."""
    tail: float | None = None
    """Pareto index of how often a prompt is sent; None: each once."""
    cron: float = 0.0
    """Share of the requests that have one prompt, of score 0.2."""
    levels: int | None = None
    """Distinct scores; None: all differ."""
    lost: float = 0.0
    """Share of the labels without a verdict."""


def line(gap: float, slope: float) -> Callable[[Floats], Floats]:
    """The gap on average, and a router that knows more of it the larger the slope."""
    return lambda u: gap * (1 + slope * (2 * u - 1))


def at_the_limit(u: Floats) -> Floats:
    """All that can be lost is lost below 0.1, and is a little above the limit."""
    return np.where(u < 0.1, (LIMIT + 0.001) / 0.1, 0.0)


SCENES: Sequence[Scene] = (
    Scene("a router that knows", line(0.25, 1.1)),
    Scene("a router that knows", line(0.25, 1.1), labels=300),
    Scene("a router that knows", line(0.25, 1.1), labels=3000),
    Scene("a router that knows nothing", line(0.25, 0.0)),
    Scene("the weak model is better at times", line(0.15, 2.0)),
    Scene("no loss but at the limit", at_the_limit),
    Scene("no loss but at the limit", at_the_limit, labels=300),
    Scene("days differ by 10 points", line(0.25, 1.1), day_effect=0.1),
    Scene("5 scores", line(0.25, 1.1), levels=5),
    Scene("a tenth of the verdicts lost", line(0.25, 1.1), lost=0.1),
    Scene("Pareto 1.1", line(0.25, 1.1), tail=1.1),
    Scene("a cron prompt is 30 %", line(0.25, 1.1), cron=0.3),
)


@dataclass(frozen=True)
class Traffic:
    """Columns of prompts, shape (prompts,)."""

    scores: Floats
    requests: Floats
    losses: Floats
    """1 where the strong model won, 0 for a tie, -1 where the weak one did."""


def made(scene: Scene, generator: Generator) -> Traffic:
    """A traffic with every verdict in it."""
    requests = DAYS * scene.requests_a_day
    sent = np.ones(requests)
    if scene.tail is not None:
        sent = np.minimum(np.floor(generator.random(requests) ** (-1 / scene.tail)), 500)
        sent = sent[np.cumsum(sent) <= requests]
    prompts = len(sent)
    scores = generator.random(prompts)
    if scene.levels is not None:
        scores = (np.floor(scores * scene.levels) + 0.5) / scene.levels
    day = np.arange(prompts) * DAYS // prompts
    talk = np.arange(prompts) // 3
    gain = scene.gain(scores)
    gain = gain + scene.day_effect * generator.normal(size=DAYS)[day]
    gain = gain + scene.conversation_effect * generator.normal(size=int(talk.max()) + 1)[talk]
    if scene.cron:
        scores, gain = np.append(scores, 0.2), np.append(gain, 0.0)
        sent = np.append(sent, round(sent.sum() * scene.cron / (1 - scene.cron)))
    chance = generator.random(len(sent))
    wins = (1 - TIES + gain) / 2
    losses = np.where(chance < wins, 1.0, np.where(chance < wins + TIES, 0.0, -1.0))
    if scene.cron:
        losses[-1] = 0.0  # a tie, so that the law is one number
    return Traffic(scores, sent, losses)


def by_law(scene: Scene, threshold: float) -> float:
    """The expected loss of a request where those below a threshold go to the weak model."""
    if scene.levels is None:
        grid = (np.arange(20_000) + 0.5) / 20_000
    else:
        grid = (np.arange(scene.levels) + 0.5) / scene.levels
    return (1 - scene.cron) * float(np.where(grid < threshold, scene.gain(grid), 0.0).mean())


def strong_by_law(scene: Scene, threshold: float) -> float:
    """The share of the requests at or above a threshold."""
    inside = min(max(threshold, 0.0), 1.0)
    if scene.levels is not None:
        inside = float(np.mean((np.arange(scene.levels) + 0.5) / scene.levels < threshold))
    return (1 - scene.cron) * (1 - inside) + scene.cron * (threshold <= 0.2)


def possible(scene: Scene) -> float:
    """The least strong share whose loss by law, and that of all cuts before, keeps the limit."""
    thresholds = np.linspace(0, 1, 1001)
    return min(strong_by_law(scene, t) for t in thresholds if by_law(scene, t) <= LIMIT)


Method = Callable[[JudgedSample, Generator], float | None]
"""The threshold that a method takes; None where it takes only all-strong."""


def ours(judged: JudgedSample, _: Generator) -> float | None:
    test = LossTest(judged, CONFIDENCE)  # what `cheapest_cut` takes, without its projections
    last = test.last_in_sequence(LIMIT)
    return None if last == 0 else middle(*test.gap(last))


def middle(lower: float, upper: float) -> float:
    return (lower + min(upper, 1.0 + 1e-9)) / 2


def normal(judged: JudgedSample, _: Generator) -> float | None:
    test = LossTest(judged, CONFIDENCE)
    weights = judged.weights / judged.weights.sum()
    last = 0
    for cut in test.sequence().tolist():
        weak = judged.win_rates <= test.gap(cut)[0]
        losses = np.where(weak, judged.losses, 0.0)
        mean = float(weights @ losses)
        error = float(np.sqrt((weights**2) @ (losses - mean) ** 2))
        if mean + 1.645 * error > LIMIT:
            break
        last = cut
    return None if last == 0 else middle(*test.gap(last))


def evenly(judged: JudgedSample, generator: Generator) -> npt.NDArray[np.intp]:
    """Rows kept with a probability in proportion to their weights, 1 for the heavy twentieth."""
    chance = judged.weights / np.quantile(judged.weights, 0.95)
    return np.flatnonzero(generator.random(len(judged)) < chance)


def mapie_net(judged: JudgedSample, generator: Generator) -> float | None:
    from mapie.risk_control import control_fwer
    from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value

    rows = evenly(judged, generator)
    scores, losses = judged.win_rates[rows], judged.losses[rows]
    thresholds = np.unique(scores)[1:]
    below = scores[None, :] < thresholds[:, None]
    risk = ((np.where(below, losses, 0.0) + 1) / 2).mean(axis=1)
    p_values = compute_hoeffding_bentkus_p_value(risk, len(rows), (LIMIT + 1) / 2)
    valid = control_fwer(p_values[:, 0], 1 - CONFIDENCE, "fixed_sequence")
    return float(thresholds[valid[-1]]) if len(valid) else None


def mapie_lost(judged: JudgedSample, generator: Generator) -> float | None:
    from mapie.risk_control import BinaryClassificationController, BinaryRisk

    rows = evenly(judged, generator)
    scores, lost = judged.win_rates[rows], (judged.losses[rows] > 0).astype(int)
    risk = BinaryRisk(
        risk_occurrence=lambda y_true, y_pred: (y_true == 1) & (y_pred == 0),
        risk_condition=lambda y_true, y_pred: np.ones_like(y_true, dtype=bool),
        higher_is_better=False,
    )
    controller = BinaryClassificationController(
        predict_function=lambda x: np.column_stack((1 - x[:, 0], x[:, 0])),
        risk=risk,
        target_level=LIMIT,
        confidence_level=CONFIDENCE,
        best_predict_param_choice=risk,
        list_predict_params=np.linspace(0.001, 0.999, 500),
        fwer_method="fixed_sequence",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        controller.calibrate(scores[:, None], lost)
    valid = controller.valid_predict_params
    return None if not len(valid) else float(np.max(valid))


METHODS: dict[str, Method] = {"routectl": ours, "normal": normal} | (
    {"MAPIE, net loss": mapie_net, "MAPIE, lost verdicts": mapie_lost} if HAS_MAPIE else {}
)


@dataclass
class Tally:
    """Of one method in one scene."""

    broken_by_law: int = 0
    broken_here: int = 0
    none: int = 0
    strong: list[float] = field(default_factory=list)


def measure(
    scene: Scene, repetitions: int, seed: int, methods: Sequence[str] = tuple(METHODS)
) -> dict[str, Tally]:
    """Draw, judge and choose again and again. The same seed gives the same figures."""
    tallies = {name: Tally() for name in methods}
    for repetition in range(repetitions):
        generator = np.random.default_rng([seed, repetition, scene.labels])
        traffic = made(scene, generator)
        judged = labelled(scene, traffic, generator)
        for name, tally in tallies.items():
            threshold = METHODS[name](judged, np.random.default_rng([seed, repetition]))
            if threshold is None:
                tally.none += 1
                tally.strong.append(1.0)
                continue
            weak = traffic.scores < threshold
            here = float(traffic.requests @ np.where(weak, traffic.losses, 0.0))
            tally.broken_by_law += by_law(scene, threshold) > LIMIT + 1e-9
            tally.broken_here += here / traffic.requests.sum() > LIMIT + 1e-9
            tally.strong.append(strong_by_law(scene, threshold))
    return tallies


def labelled(scene: Scene, traffic: Traffic, generator: Generator) -> JudgedSample:
    """Labels as `routectl label` draws, weights and loses them."""
    luck = generator.random(len(traffic.scores))
    drawn = draw_by_strata(traffic.scores, traffic.requests, luck, scene.labels)
    kept = generator.random(scene.labels) >= scene.lost
    weights, strata = remaining(drawn.weights, drawn.strata, kept)
    rows = drawn.rows[kept]
    return JudgedSample(
        win_rates=traffic.scores[rows],
        strong_quality=(1 + traffic.losses[rows]) / 2,
        weak_quality=(1 - traffic.losses[rows]) / 2,
        weights=weights,
        strata=strata,
        largest_loss=1.0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scene", type=int, help="only this one, from 0")
    parser.add_argument("--without-peers", action="store_true")
    arguments = parser.parse_args()
    print(
        "Strong share in %, broken by law / in this traffic in %, and how often none was taken.\n"
    )
    methods = tuple(METHODS)[:1] if arguments.without_peers else tuple(METHODS)
    print("| traffic | labels | possible | " + " | ".join(methods) + " |")
    print("|---|---|---|" + "---|" * len(methods))
    scenes = SCENES if arguments.scene is None else SCENES[arguments.scene : arguments.scene + 1]
    for scene in scenes:
        tallies = measure(scene, arguments.repetitions, arguments.seed, methods)
        cells = [
            f"{100 * np.mean(tally.strong):.0f}; "
            f"{100 * tally.broken_by_law / arguments.repetitions:.1f} / "
            f"{100 * tally.broken_here / arguments.repetitions:.1f}"
            + (f"; none {100 * tally.none / arguments.repetitions:.0f}" if tally.none else "")
            for tally in tallies.values()
        ]
        print(
            f"| {scene.name} | {scene.labels:,} | {100 * possible(scene):.0f} | "
            + " | ".join(cells)
            + " |",
            flush=True,
        )


if __name__ == "__main__":
    main()
