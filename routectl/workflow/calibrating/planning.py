"""`routectl plan`: what each strong fraction would cost and be worth; nothing is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from routectl.calibration import CutFigures, Dependence, StrongFraction, cut_figures
from routectl.errors import InputError, UsageError
from routectl.extraction import EXTRACTION_VERSION
from routectl.store.engine import Location
from routectl.store.opening import open_store
from routectl.store.populations import overview
from routectl.workflow.calibrating.gathering import (
    Question,
    gather,
    refuse_other_prices,
    traffic_of,
)
from routectl.workflow.calibrating.judged import newest_judged
from routectl.workflow.calibrating.quality import KnownQuality
from routectl.workflow.reporter import Remembering, Reporter
from routectl.workflow.traffic.populations import (
    ready_routers,
    refuse_an_empty_population,
    say_what_the_population_mixes,
)

if TYPE_CHECKING:
    from pathlib import Path

    from routectl.calibration import Interval
    from routectl.output import Output
    from routectl.records import RouterIdentity
    from routectl.report.plan_curve import PlanLine
    from routectl.routers import OpenRouter
    from routectl.workflow.calibrating.pricing import PricedRequests


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
    asked: tuple[float, ...]
    """Strong fractions, ascending."""
    figures: tuple[CutFigures, ...]
    """What the cut nearest to each of them gives, with intervals."""
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
                {
                    "asked": asked,
                    "threshold": figures.cut.threshold,
                    "strong_fraction": figures.cut.strong_fraction,
                    "long_run": figures.long_run and asdict(figures.long_run),
                    "month": figures.month and figures.month.to_json(),
                    "quality": figures.quality,
                    "quality_interval": figures.quality_interval
                    and asdict(figures.quality_interval),
                }
                for asked, figures in zip(self.asked, self.figures, strict=True)
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
            evaluated = newest_judged(connection, router.identity.fingerprint)
    sample = gathered.sample
    dependence = Dependence.of(sample.weights, sample.prompts, sample.conversations, sample.times)
    table = sample.cut_table()
    quality, judged = (None, None) if evaluated is None else evaluated
    asked = tuple(points / 100 for points in range(0, 101, step))
    cuts = [StrongFraction(share).cut(table, router.identity.noise) for share in asked]
    pair = route.pair
    return Plan(
        route=route.name,
        router=router.identity,
        population=question.population.to_json(),
        requests=len(sample),
        confidence=question.confidence,
        strong=None if pair is None else pair.strong,
        weak=None if pair is None else pair.weak,
        no_month=_no_month(gathered.priced, gathered.month),
        evaluated=quality,
        suggestion=traffic.suggestion,
        asked=asked,
        figures=tuple(
            cut_figures(sample, table, cut, judged, question.confidence, dependence) for cut in cuts
        ),
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
        path=path,
        option="--plot",
        database=location.path,
        is_ours=is_plot,
        can_be_forced=False,
        mode=PUBLIC,
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
    from routectl.report.plan_curve import draw_plan

    shares = [figures.cut.strong_fraction for figures in planned.figures]
    lines = []
    months = [figures.month for figures in planned.figures if figures.month is not None]
    if months:
        lines.append(
            _line(
                "USD in 30 days",
                [month.this_threshold for month in months],
                [month.cost_interval for month in months],
            )
        )
    if planned.evaluated is not None:
        lines.append(
            _line(
                "mean quality of the judged requests",
                [figures.quality or 0.0 for figures in planned.figures],
                [figures.quality_interval for figures in planned.figures],
            )
        )
    if not lines:
        raise InputError(f"there is nothing to draw: {planned.no_month}, and nothing is evaluated")
    heading = (
        f"Route {planned.route}: what each strong fraction costs, {planned.router.name}, "
        f"n = {planned.requests:,} requests, {100 * planned.confidence:g} % intervals"
    )
    save(draw_plan(shares, lines, heading), output)


def _line(title: str, values: Sequence[float], intervals: Sequence[Interval | None]) -> PlanLine:
    from routectl.report.plan_curve import PlanLine

    return PlanLine(
        title,
        values,
        [0.0 if interval is None else interval.low for interval in intervals],
        [0.0 if interval is None else interval.high for interval in intervals],
    )
