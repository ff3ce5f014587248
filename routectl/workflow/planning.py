"""`routectl plan`: what each strong fraction would cost and be worth; nothing is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from routectl.calibration import Interval, Month, StrongFraction, expected_quality, month_of_cut
from routectl.calibration.effective_size import Dependence
from routectl.calibration.intervals import long_run_interval
from routectl.errors import InputError, UsageError
from routectl.extraction import EXTRACTION_VERSION
from routectl.policy import meets, threshold_value
from routectl.store.engine import Location
from routectl.store.evaluations import evaluation, newest_evaluation
from routectl.store.opening import open_store
from routectl.store.populations import overview
from routectl.workflow.calibrating import (
    Question,
    gather,
    refuse_other_prices,
    traffic_of,
)
from routectl.workflow.judged import judged_sample
from routectl.workflow.populations import (
    ready_routers,
    refuse_an_empty_population,
    say_what_the_population_mixes,
)
from routectl.workflow.quality import KnownQuality, quality_of
from routectl.workflow.reporter import Remembering, Reporter

if TYPE_CHECKING:
    from pathlib import Path

    from routectl.output import Output
    from routectl.records import RouterIdentity
    from routectl.routers import OpenRouter
    from routectl.workflow.pricing import PricedRequests


@dataclass(frozen=True, slots=True)
class PlannedCut:
    """One strong fraction."""

    asked: float
    threshold: str
    strong_fraction: float
    long_run: Interval
    month: Month | None
    """None where no month or no price is known."""
    quality: float | None
    """Mean over the judged requests, in the unit of their qualities; None without an evaluation."""
    quality_interval: Interval | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What the strong fractions of a route's traffic cost and are worth."""

    route: str
    router: RouterIdentity
    population: Mapping[str, Any]
    """The filters, as `Population.to_json` writes them."""
    requests: int
    """With a score, unweighted."""
    confidence: float
    """Of all intervals."""
    strong: str | None
    """The route's strongest model; None where it declares none."""
    weak: str | None
    no_month: str | None
    """Why there is no money."""
    evaluated: KnownQuality | None
    """What the qualities are from."""
    suggestion: str | None
    """The `route set` command that would give money, where the route declares no models."""
    cuts: tuple[PlannedCut, ...]
    """From the fewest strong requests to the most."""
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "route": self.route,
            "router": self.router.name,
            "fingerprint": self.router.fingerprint,
            "population": dict(self.population),
            "requests": self.requests,
            "confidence": self.confidence,
            "strong": self.strong,
            "weak": self.weak,
            "currency": "USD",
            "no_month": self.no_month,
            "evaluated": self.evaluated and self.evaluated.to_json(),
            "suggested_route": self.suggestion,
            "cuts": [
                asdict(cut) | {"month": cut.month and cut.month.to_json()} for cut in self.cuts
            ],
            "warnings": list(self.notes),
        }


def plan(
    location: Location,
    routers: Sequence[OpenRouter],
    question: Question,
    reporter: Reporter,
    *,
    step: int = 10,
) -> Plan:
    """The cuts at strong fractions from 0 to 100 %; scores what is not scored yet.

    Args:
        routers: one.
        question: its target is not looked at.
        step: points between two fractions, from 1 to 50, a divisor of 100.

    Raises:
        NoPromptsError: the population is empty, or none of its requests has a prompt.
        UsageError: several routers, or a step that is none.
    """
    if len(routers) != 1:
        raise UsageError("a plan is of one router: name it with -r, as in -r mf")
    if not (1 <= step <= 50 and 100 % step == 0):
        raise UsageError(f"--step {step} does not divide 100: take 1, 2, 4, 5, 10, 20, 25 or 50")
    route = question.route
    refuse_other_prices(route, question.prices)
    notes = Remembering(reporter)
    with open_store(location) as store:
        with store.read() as connection:
            counts = overview(connection, question.population, EXTRACTION_VERSION)
            refuse_an_empty_population(connection, counts, question.population)
        say_what_the_population_mixes(counts, question.population, notes)
        (router,) = ready_routers(store, routers, (), question.population, notes)
        traffic = traffic_of(store, question, counts, notes)
        gathered = gather(store, router, question, traffic, notes)
        with store.read() as connection:
            newest = newest_evaluation(connection, router.identity.fingerprint)
            stored = None if newest is None else evaluation(connection, newest.id)
    sample, priced = gathered.sample, gathered.priced
    dependence = Dependence.of(sample.weights, sample.prompts, sample.conversations, sample.times)
    table = sample.cut_table()
    judged = None if stored is None else judged_sample(stored)
    cuts = []
    for points in range(0, 101, step):
        cut = StrongFraction(points / 100).cut(table, router.identity.noise)
        threshold = threshold_value(cut.threshold)
        is_strong = meets(sample.win_rates, threshold)
        month = None
        if priced is not None and sample.month is not None:
            month = month_of_cut(
                sample.month,
                dependence,
                is_strong,
                priced.strong_cost,
                priced.weak_cost,
                question.confidence,
            )
        quality = interval = None
        if judged is not None:
            goes = meets(judged.win_rates, threshold)
            quality, interval = expected_quality(judged, goes, question.confidence)
        cuts.append(
            PlannedCut(
                asked=points / 100,
                threshold=cut.threshold,
                strong_fraction=cut.strong_fraction,
                long_run=long_run_interval(dependence.size(is_strong), question.confidence),
                month=month,
                quality=quality,
                quality_interval=interval,
            )
        )
    pair = route.pair
    return Plan(
        route=route.name,
        router=router.identity,
        population=question.population.to_json(),
        requests=len(sample),
        confidence=question.confidence,
        strong=None if pair is None else pair.strong,
        weak=None if pair is None else pair.weak,
        no_month=_no_month(priced, gathered.month),
        evaluated=None if stored is None else quality_of(stored),
        suggestion=traffic.suggestion,
        cuts=tuple(cuts),
        notes=tuple(notes.notes),
    )


def _no_month(priced: PricedRequests | None, month: object) -> str | None:
    if priced is None:
        return "the route declares no models, the log has no tokens, or a price is missing"
    return month if isinstance(month, str) else None


def plot_output(path: Path, location: Location) -> Output:
    """The file that a plan's picture will be, checked.

    Raises:
        UsageError: no suffix of a picture, or a path that must not be written.
    """
    from routectl.output import PUBLIC, Output
    from routectl.report.drawing import check_suffix, is_plot

    check_suffix(path.suffix.removeprefix("."))
    output = Output(
        path=path, option="--plot", database=location.path, is_ours=is_plot, mode=PUBLIC
    )
    output.check()
    return output


def draw(planned: Plan, output: Output) -> None:
    """Write the picture of a plan.

    Raises:
        InputError: there is neither money nor quality to draw, or the file cannot be written.
        UsageError: matplotlib is not installed.
    """
    from routectl.report.drawing import save
    from routectl.report.plan_curve import PlanLine, draw_plan

    shares = [cut.strong_fraction for cut in planned.cuts]
    lines = []
    months = [cut.month for cut in planned.cuts if cut.month is not None]
    if months:
        cost = [month.cost_interval for month in months]
        lines.append(
            PlanLine(
                "USD in 30 days",
                [month.this_threshold for month in months],
                [0.0 if interval is None else interval.low for interval in cost],
                [0.0 if interval is None else interval.high for interval in cost],
            )
        )
    if planned.evaluated is not None:
        lines.append(
            PlanLine(
                "mean quality of the judged requests",
                [cut.quality or 0.0 for cut in planned.cuts],
                [c.quality_interval.low if c.quality_interval else 0.0 for c in planned.cuts],
                [c.quality_interval.high if c.quality_interval else 0.0 for c in planned.cuts],
            )
        )
    if not lines:
        raise InputError(f"there is nothing to draw: {planned.no_month}, and nothing is evaluated")
    heading = (
        f"Route {planned.route}: what each strong fraction costs, {planned.router.name}, "
        f"n = {planned.requests:,} requests, {100 * planned.confidence:g} % intervals"
    )
    save(draw_plan(shares, lines, heading), output)
