"""How often the intervals hold on traffic that changes from day to day.

    python benchmarks/daily_coverage.py --repetitions 2000 --seed 1

Draws the requests of some days from traffic whose long-run share is known at every threshold,
lets `choose` pick a threshold, and counts: how often the stated 95 % interval holds the long-run
share (the expectation over the process, not over the sample), how often the share of the next
1,000 requests from a random weekday on lies in the interval for them, how often the check in time
fails although nothing changes, and how often `--guarantee 0.95` exceeds its target. The ideal
half-width is 1.96 times the root mean square of sample share less long-run share.
`interval_coverage.py` has traffic without days.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from routectl.calibration import ScoredSample, StrongFraction, caveats, choose
from routectl.calibration.effective_size import Dependence
from routectl.errors import CalibrationError
from routectl.policy import meets

Generator = np.random.Generator
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

NEXT_REQUESTS = 1000
NOISE = 2e-7
SATURDAY = 2
"""Days since 1970-01-01, a Thursday, modulo 7."""
WITHIN_CONVERSATION = 0.5
"""Correlation of the latent scores of one conversation."""
TEMPLATES = 20
SAYS_SO = {
    "no_times": "no times",
    "one_day": "one day",
    "few_days": "few days",
    "days_are_alike": "days alike",
    "rough": "rough",
    "unsure_prompts": "prompt named",
    "recurring_prompts": "prompt named",
}
"""Notes of the output that name a shortfall, by caveat."""


@dataclass(frozen=True)
class Traffic:
    """Requests of some days; a score is the normal distribution function of a latent number.

    Without effects latent numbers have variance 1. Effects are given in points of the share at the
    target.
    """

    name: str
    days: int
    requests_a_day: int = 300
    target: float = 0.3
    day_effect: float = 0.0
    """Standard deviation of a day's share, in points."""
    weekend: float = 0.0
    """How far the share falls on Saturday and Sunday, in points; they have 40 % of the requests of
    another day then."""
    autocorrelation: float = 0.0
    """Of one day's effect and the next one's."""
    conversation_length: float = 3.0
    """Mean, geometric; a conversation ends with the day."""
    conversations_a_day: float | None = None
    """Instead: this many conversations a day, each of lognormal length (sigma 1)."""
    over_days: bool = False
    """Conversations go on on the next days."""
    huge_every: int = 0
    """A conversation as large as a day comes on average once in so many days."""
    burst_days: int = 0
    """A prompt comes up, is a fifth of the requests for so many days, and goes."""
    burst_every: float = 7.0
    """Days from one burst to the next, on average."""
    templates: bool = False
    """Half of the requests have one of 20 prompts."""
    cron: float = 0.0
    """Share of the requests that have one and the same prompt."""
    independent_days: bool = True
    """Coverage of 93 % is wanted, from 10 days on."""

    @property
    def slope(self) -> float:
        """Share for each unit of the latent number, at the target."""
        z = float(ndtri(1 - self.target))
        return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    def weekday_volume(self) -> Floats:
        volume = np.ones(7)
        if self.weekend:
            volume[[SATURDAY, SATURDAY + 1]] = 0.4
        return volume

    def weekday_effect(self) -> Floats:
        effect = np.zeros(7)
        effect[[SATURDAY, SATURDAY + 1]] = -self.weekend / 100 / self.slope
        return effect


@dataclass
class Requests:
    """Columns of requests, gathered day by day."""

    latent: list[Floats] = field(default_factory=list)
    prompt: list[Integers] = field(default_factory=list)
    conversation: list[Integers] = field(default_factory=list)
    day: list[Integers] = field(default_factory=list)

    def add(self, latent: Floats, prompt: Integers, conversation: Integers, day: Integers) -> None:
        for column, values in (
            (self.latent, latent),
            (self.prompt, prompt),
            (self.conversation, conversation),
            (self.day, day),
        ):
            column.append(values)


class Process:
    """One company: its templates and its cron job stay the same, its days are drawn."""

    def __init__(self, traffic: Traffic, generator: Generator) -> None:
        self.traffic, self.generator = traffic, generator
        self.fixed = np.sort(generator.normal(size=TEMPLATES if traffic.templates else 1))
        weights = 1 / np.arange(1.0, len(self.fixed) + 1)
        self.fixed_weights = generator.permutation(weights / weights.sum())
        self.fixed_share = 0.5 if traffic.templates else traffic.cron

    def long_run(self, threshold: float) -> float:
        """The share above a threshold, by the process."""
        traffic, z = self.traffic, float(ndtri(min(threshold, 1 - 1e-16)))
        sd = math.hypot(1.0, traffic.day_effect / 100 / traffic.slope)
        volume = traffic.weekday_volume()
        volume /= volume.sum()
        varied = float(volume @ ndtr((traffic.weekday_effect() - z) / sd))
        fixed = float(self.fixed_weights @ (ndtr(self.fixed) >= threshold))
        return self.fixed_share * fixed + (1 - self.fixed_share) * varied

    def effects(self, count: int) -> Floats:
        """Latent effects of consecutive days, without the weekday's."""
        normal = self.generator.normal(size=count)
        rho = self.traffic.autocorrelation
        for day in range(1, count) if rho else ():
            normal[day] = rho * normal[day - 1] + math.sqrt(1 - rho * rho) * normal[day]
        return normal * self.traffic.day_effect / 100 / self.traffic.slope

    def draw(self, count: int) -> tuple[ScoredSample, Floats]:
        """Consecutive days from a random weekday on: a sample, and its scores in order of time."""
        traffic, generator = self.traffic, self.generator
        days = int(generator.integers(7)) + 7 * 2900 + np.arange(count)
        volume = traffic.requests_a_day * traffic.weekday_volume()[days % 7]
        effect = self.effects(count) + traffic.weekday_effect()[days % 7]
        fixed = generator.poisson(volume * self.fixed_share)
        sizes = generator.poisson(volume * (1 - self.fixed_share))
        if not (sizes.sum() + fixed.sum()):
            sizes[0] = 1
        rows = Requests()
        day = np.repeat(np.arange(count), sizes)
        talk = self._conversations(day, sizes)
        within = generator.normal(size=int(talk.max()) + 1 if len(talk) else 0)[talk]
        latent = math.sqrt(WITHIN_CONVERSATION) * within + effect[day]
        latent += math.sqrt(1 - WITHIN_CONVERSATION) * generator.normal(size=len(day))
        first_free = 1000
        rows.add(latent, first_free + np.arange(len(day)), talk, day)
        if fixed.sum():
            which = generator.choice(len(self.fixed), p=self.fixed_weights, size=int(fixed.sum()))
            none = np.full(len(which), -1)
            rows.add(self.fixed[which], which, none, np.repeat(np.arange(count), fixed))
        self._huge(rows, effect, volume)
        self._bursts(rows, count, volume)
        latent, prompt, talk, day = (
            np.concatenate(column)
            for column in (rows.latent, rows.prompt, rows.conversation, rows.day)
        )
        times = (days[day] + generator.random(len(day))) * 86400.0
        scores, unknown = ndtr(latent), np.full(len(day), np.nan)
        sample = ScoredSample(scores, np.ones(len(day)), prompt, talk, times, unknown, unknown)
        return sample, scores[np.argsort(times)]

    def _conversations(self, day: Integers, sizes: Integers) -> Integers:
        traffic, generator = self.traffic, self.generator
        if traffic.conversations_a_day is not None:
            count = np.maximum(1, generator.poisson(traffic.conversations_a_day, len(sizes)))
            before = np.cumsum(count) - count
            length = np.exp(generator.normal(size=int(count.sum())))
            which = np.concatenate(
                [
                    before[d]
                    + generator.choice(
                        count[d],
                        p=length[before[d] : before[d] + count[d]]
                        / length[before[d] : before[d] + count[d]].sum(),
                        size=size,
                    )
                    for d, size in enumerate(sizes)
                ]
            )
            return np.unique(which, return_inverse=True)[1]
        begins = generator.random(len(day)) < 1 / traffic.conversation_length
        if traffic.over_days:
            # One of so many conversations that are open, each for about two days.
            window = max(1, round(2 * traffic.requests_a_day / traffic.conversation_length))
            position = np.arange(len(day)) / traffic.conversation_length
            return np.unique(
                (position + generator.random(len(day)) * window).astype(np.int64),
                return_inverse=True,
            )[1]
        begins[np.flatnonzero(np.diff(day, prepend=-1))] = True
        return np.cumsum(begins) - 1

    def _huge(self, rows: Requests, effect: Floats, volume: Floats) -> None:
        if not self.traffic.huge_every:
            return
        for day in np.flatnonzero(self.generator.random(len(volume)) < 1 / self.traffic.huge_every):
            size = int(volume[day])
            latent = self.generator.normal() * math.sqrt(0.8) + effect[day]
            latent = latent + math.sqrt(0.2) * self.generator.normal(size=size)
            number = 10**6 + int(day)
            rows.add(
                latent,
                10**6 * (2 + int(day)) + np.arange(size),
                np.full(size, number),
                np.full(size, day),
            )

    def _bursts(self, rows: Requests, count: int, volume: Floats) -> None:
        length = self.traffic.burst_days
        if not length:
            return
        for start in range(1 - length, count):
            if self.generator.random() >= 1 / self.traffic.burst_every:
                continue
            on = np.arange(max(0, start), min(count, start + length))
            day = np.repeat(on, self.generator.poisson(volume[on] / 4))
            prompt, none = np.full(len(day), 500 + start + length), np.full(len(day), -1)
            rows.add(np.full(len(day), self.generator.normal()), prompt, none, day)


def days(count: int, effect: float, **more: object) -> Traffic:
    return Traffic(f"{count} days, effects of {effect:g} points", count, day_effect=effect, **more)


SCENES: Sequence[Traffic] = (
    *(days(count, effect) for count in (5, 7, 10, 14, 28) for effect in (0.0, 1.5, 3.5)),
    *(
        Traffic(
            f"{count} days, 1.7 points, weekend 8 points lower", count, day_effect=1.7, weekend=8
        )
        for count in (10, 14, 20, 28)
    ),
    Traffic("28 days, 3.5 points, weekend 8 points lower", 28, day_effect=3.5, weekend=8),
    Traffic("28 days, 1,000 a day, 3.5 points", 28, 1000, day_effect=3.5),
    *(
        Traffic(
            f"{count} days, 3.5 points, autocorrelation {rho}",
            count,
            day_effect=3.5,
            autocorrelation=rho,
            independent_days=False,
        )
        for count in (28, 56)
        for rho in (0.3, 0.5, 0.8)
    ),
    *(
        Traffic(
            f"{count} days, bursts of {length} days",
            count,
            day_effect=1.5,
            burst_days=length,
            burst_every=every,
            independent_days=length == 1,
        )
        for count in (5, 7, 10, 28)
        for length, every in ((1, 7.0), (3, 7.0), (10, 20.0))
    ),
    *(
        Traffic(f"{count} days, 20 templates are half", count, day_effect=1.5, templates=True)
        for count in (10, 28)
    ),
    *(
        Traffic(f"{count} days, a cron prompt is 30 %", count, day_effect=1.5, cron=0.3)
        for count in (7, 10, 28)
    ),
    Traffic("28 days, huge conversations", 28, day_effect=1.5, huge_every=7),
    Traffic("28 days, 60 conversations", 28, day_effect=1.5, conversations_a_day=2.0),
    Traffic("28 days, conversations over days", 28, day_effect=1.5, over_days=True),
    Traffic("28 days, 2 % strong, 0.3 points", 28, target=0.02, day_effect=0.3),
    Traffic("1 day, effects of 3.5 points", 1, 1000, day_effect=3.5),
    Traffic("3 days, effects of 3.5 points", 3, day_effect=3.5),
)


@dataclass(frozen=True)
class Coverage:
    """Shares of the repetitions; widths in shares."""

    traffic: Traffic
    repetitions: int
    long_run: float
    half_width: float
    ideal: float
    next_share: float
    next_half_width: float
    check_failed: float | None
    """None where there is no check in time."""
    exceeded: float | None
    """Of the repetitions in which a cut has the guarantee; None where none has."""
    no_guarantee: float
    says: Counter[str]
    """Repetitions in which the output names a shortfall."""
    decided: Counter[str]

    @property
    def falls_short(self) -> bool:
        """Where 93 % are wanted."""
        return self.traffic.independent_days and self.traffic.days >= 10 and self.long_run < 0.93


def measure(traffic: Traffic, repetitions: int, seed: int, guarantee: bool = True) -> Coverage:
    """Draw, choose and compare `repetitions` times. The same seed gives the same figures."""
    generator = np.random.default_rng(seed)
    target = StrongFraction(traffic.target)
    rows, failed, exceeded = [], [], []
    says: Counter[str] = Counter()
    decided: Counter[str] = Counter()
    for _ in range(repetitions):
        process = Process(traffic, generator)
        sample, _ = process.draw(traffic.days)
        choice = choose(sample, target, noise=NOISE, next_requests=NEXT_REQUESTS)
        truth = process.long_run(float(choice.cut.threshold))
        later = NEXT_REQUESTS // traffic.requests_a_day * 3 + 8
        share = float(
            np.mean(process.draw(later)[1][:NEXT_REQUESTS] >= float(choice.cut.threshold))
        )
        certainty = choice.certainty
        long_run, next_share = certainty.long_run, certainty.next_share
        rows.append(
            (
                long_run.low <= truth <= long_run.high,
                (long_run.high - long_run.low) / 2,
                (choice.cut.strong_fraction - truth) ** 2,
                next_share.low <= share <= next_share.high,
                (next_share.high - next_share.low) / 2,
            )
        )
        if choice.self_check is not None:
            failed.append(not choice.self_check.inside)
        decided[certainty.decided_by] += 1
        for caveat in caveats(target, choice.cut, certainty, None, 0.0):
            says[caveat.code] += 1
        if guarantee:
            exceeded.append(_exceeds(process, sample, traffic.target))
    held, width, error, next_held, next_width = (float(v) for v in np.mean(rows, axis=0))
    answers = [value for value in exceeded if value is not None]
    return Coverage(
        traffic=traffic,
        repetitions=repetitions,
        long_run=held,
        half_width=width,
        ideal=1.96 * math.sqrt(error),
        next_share=next_held,
        next_half_width=next_width,
        check_failed=float(np.mean(failed)) if failed else None,
        exceeded=float(np.mean(answers)) if answers else None,
        no_guarantee=1 - len(answers) / len(exceeded) if exceeded else 0.0,
        says=says,
        decided=decided,
    )


def _exceeds(process: Process, sample: ScoredSample, share: float) -> bool | None:
    """Whether the long-run share is above a guaranteed one; None where no cut has the guarantee."""
    dependence = Dependence.of(sample.weights, sample.prompts, sample.conversations, sample.times)
    target = StrongFraction(share, guarantee=0.95)
    try:
        cut = target.cut(
            sample.cut_table(), NOISE, lambda t: dependence.size(meets(sample.win_rates, t))
        )
    except CalibrationError:
        return None
    return process.long_run(float(cut.threshold)) > share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="Scenes whose name contains this.")
    arguments = parser.parse_args()
    error = 100 * math.sqrt(0.95 * 0.05 / arguments.repetitions)
    print(f"{arguments.repetitions:,} repetitions, seed {arguments.seed}; one standard error of a")
    print(f"coverage of 95 % is {error:.1f} points. All but the ratio in %.\n")
    print("| traffic | long run | half-width | to the ideal | next 1,000 | half-width ", end="")
    print("| check fails | guarantee exceeded | decided by | the output says |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    short = []
    for traffic in SCENES:
        if arguments.only not in traffic.name:
            continue
        c = measure(traffic, arguments.repetitions, arguments.seed)
        if c.falls_short:
            short.append(traffic.name)
        print(f"| {traffic.name} | {' | '.join(cells(c))} |", flush=True)
    print(
        f"\n{len(short)} scenes of independent days, from 10 on, are below 93 %", *short, sep="\n"
    )


def cells(c: Coverage) -> list[str]:
    """The figures of one scene."""
    n = c.repetitions
    exceeded = "" if c.exceeded is None else f"{100 * c.exceeded:.1f}"
    if c.no_guarantee >= 0.005:
        exceeded += f" (no answer {100 * c.no_guarantee:.0f})"
    return [
        f"{100 * c.long_run:.1f}",
        f"{100 * c.half_width:.1f}",
        f"{c.half_width / c.ideal:.2f}",
        f"{100 * c.next_share:.1f}",
        f"{100 * c.next_half_width:.1f}",
        "" if c.check_failed is None else f"{100 * c.check_failed:.1f}",
        exceeded,
        ", ".join(f"{kind} {100 * count / n:.0f}" for kind, count in c.decided.most_common(2)),
        ", ".join(
            f"{SAYS_SO[code]} {100 * count / n:.0f}"
            for code, count in c.says.most_common()
            if code in SAYS_SO
        ),
    ]


if __name__ == "__main__":
    main()
