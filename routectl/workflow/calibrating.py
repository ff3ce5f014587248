"""`routectl calibrate`: score what is missing, choose the threshold, record the calibration."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import uuid4

from routectl.calibration import (
    Caveat,
    Choice,
    ScoredSample,
    StrongFraction,
    caveats,
    choose,
)
from routectl.errors import UsageError
from routectl.extraction import EXTRACTION_VERSION
from routectl.policy import PinnedRouter, Policy
from routectl.prices import ModelPrice, require_asked
from routectl.records import Population, RouterIdentity
from routectl.routers import OpenRouter
from routectl.store.calibrations import add_calibration
from routectl.store.engine import Location, Store
from routectl.store.opening import open_store
from routectl.store.populations import Overview, overview
from routectl.store.scores import (
    ScoredRequests,
    prompts_without_text,
    router_id,
    scored_requests,
)
from routectl.workflow.actor import actor
from routectl.workflow.answering import OtherModels, other_models, suggested_route
from routectl.workflow.policies import UNDECLARED
from routectl.workflow.populations import (
    ready_routers,
    refuse_an_empty_population,
    say_what_the_population_mixes,
)
from routectl.workflow.pricing import Costs, month_of, priced_requests, route_prices
from routectl.workflow.quality import KnownQuality, known_quality
from routectl.workflow.reporter import Reporter
from routectl.workflow.routing import RouteInUse, declared_models, default_route
from routectl.workflow.scoring import score_missing

__all__ = ["CalibrationResult", "Question", "StrongFraction", "calibrate"]


@dataclass(frozen=True, slots=True)
class Question:
    """What a calibration asks."""

    target: StrongFraction
    route: RouteInUse
    population: Population
    """With the route's own, as `RouteInUse.population` joins them."""
    confidence: float
    next_requests: int
    note: str | None
    prices: Mapping[str, ModelPrice] = field(default_factory=dict)
    """Those that go before the route's own and the list's."""


@dataclass(frozen=True, slots=True)
class CalibrationResult:
    """A calibration as it was recorded."""

    id: int
    created_at: datetime
    route: str
    population: Population
    router: RouterIdentity
    policy: Policy
    choice: Choice
    overview: Overview
    excluded: dict[str, float]
    """Weight of the requests without a score, by reason."""
    longer_than_read: float
    """Weighted share of the requests whose prompt is longer than the router reads."""
    costs: Costs | None
    """None where the route declares no models, or no tokens or no price is known."""
    quality: KnownQuality | None
    """What was evaluated of this router at this fingerprint."""
    other_models: OtherModels | None
    """Models that answered these requests and are not the route's."""
    suggestion: str | None
    """The `route set` command that would give costs, where the route declares no models."""
    rows_digest: str
    caveats: list[Caveat]
    """What a reader must know before they use the threshold."""

    @property
    def missed_by(self) -> float | None:
        """How far the share is from the target, where that is more than the tolerance."""
        return self.choice.target.missed_by(self.choice.cut)


def calibrate(
    location: Location,
    routers: Sequence[OpenRouter],
    question: Question,
    reporter: Reporter,
    *,
    unnamed: Collection[str] = (),
) -> list[CalibrationResult]:
    """Choose and record a threshold for each router.

    Args:
        unnamed: fingerprints of routers that nobody asked for by name. Of these a slow one takes
            part only if all of its scores are stored.

    Raises:
        NoPromptsError: the population is empty, or none of its requests has a prompt.
        CalibrationError: no threshold can be chosen.
        UsageError: a price of a model that the route does not declare.
    """
    route = question.route
    _refuse_other_prices(route, question.prices)
    with open_store(location) as store:
        with store.read() as connection:
            counts = overview(connection, question.population, EXTRACTION_VERSION)
        refuse_an_empty_population(counts, question.population)
        say_what_the_population_mixes(counts, question.population, reporter)
        wanted = ready_routers(store, routers, unnamed, question.population, reporter)
        with store.read() as connection:
            traffic = _Traffic(
                counts,
                other_models(connection, route, question.population),
                suggested_route(connection, route, question.population)
                if route.pair is None
                else None,
                route_prices(route, question.prices, reporter),
            )
        run = uuid4().hex
        return [_calibrate(store, router, question, traffic, run, reporter) for router in wanted]


@dataclass(frozen=True, slots=True)
class _Traffic:
    """What is said of the population and its route, whatever the router."""

    counts: Overview
    other_models: OtherModels | None
    suggestion: str | None
    prices: tuple[ModelPrice, ModelPrice] | None
    """Of the strong model and of the weak one."""


def _refuse_other_prices(route: RouteInUse, prices: Mapping[str, ModelPrice]) -> None:
    if prices and not route.declared.models:
        raise UsageError(
            f"--price is of a route's models, and route {route.name} declares none: name them with "
            f"`routectl route set {route.name} --strong MODEL --weak MODEL`"
        )
    require_asked(prices, [model.name for model in route.declared.models])


def _calibrate(
    store: Store,
    router: OpenRouter,
    question: Question,
    traffic: _Traffic,
    run: str,
    reporter: Reporter,
) -> CalibrationResult:
    counts, prices = traffic.counts, traffic.prices
    rows, purged = _scored(
        store, router, question.population, counts, reporter, answers=prices is not None
    )
    excluded = dict(counts.excluded) | ({"purged": purged} if purged else {})
    identity = router.identity
    priced = priced_requests(prices, rows)
    reporter.detail(f"choosing among the cuts of {len(rows.win_rates):,} scores")
    choice = choose(
        ScoredSample(
            win_rates=rows.win_rates,
            weights=rows.weights,
            prompts=rows.prompts,
            conversations=rows.conversations,
            times=rows.times,
            tokens=rows.tokens,
            spend=rows.spend,
            strong_cost=None if priced is None else priced.strong_cost,
            weak_cost=None if priced is None else priced.weak_cost,
        ),
        question.target,
        noise=identity.noise,
        excluded_weight=sum(excluded.values()),
        confidence=question.confidence,
        next_requests=question.next_requests,
    )
    spending = choice.cut.spending
    costs = None
    if priced is not None and spending is not None:
        costs = Costs(priced.strong, priced.weak, spending, month_of(rows, spending))
    longer = float(rows.weights[rows.longer_than_read].sum() / rows.weights.sum())
    created_at = datetime.now(UTC)
    digest = rows_digest(rows)
    policy = Policy(
        models=declared_models(question.route.declared) or UNDECLARED,
        routers=(PinnedRouter(router.spec, identity.fingerprint),),
        thresholds=(choice.cut.threshold,),
        extraction_version=EXTRACTION_VERSION,
    )
    with store.write() as connection:
        quality = known_quality(connection, identity.fingerprint)
        route_id = question.route.id
        if route_id is None:
            route_id = default_route(connection).id
        calibration_id = add_calibration(
            connection,
            created_at=created_at,
            actor=actor(),
            note=question.note,
            route_id=route_id,
            run=run,
            router_id=rows.router,
            router=identity,
            population=question.population,
            sample_ids=counts.sample_ids,
            choice=choice,
            policy=policy,
            excluded=excluded,
            facts={
                "longer_than_read": longer,
                "costs": None if costs is None else costs.to_json(),
                "quality": None if quality is None else quality.to_json(),
                "other_models": traffic.other_models and traffic.other_models.to_json(),
                "suggested_route": traffic.suggestion,
            },
            rows_digest=digest,
        )
    return CalibrationResult(
        id=calibration_id,
        created_at=created_at,
        route=question.route.name,
        population=question.population,
        router=identity,
        policy=replace(policy, calibration_id=calibration_id),
        choice=choice,
        overview=counts,
        excluded=excluded,
        longer_than_read=longer,
        costs=costs,
        quality=quality,
        other_models=traffic.other_models,
        suggestion=traffic.suggestion,
        rows_digest=digest,
        caveats=caveats(choice.target, choice.cut, choice.certainty, choice.self_check, longer),
    )


def _scored(
    store: Store,
    router: OpenRouter,
    population: Population,
    counts: Overview,
    reporter: Reporter,
    *,
    answers: bool,
) -> tuple[ScoredRequests, float]:
    """The population's scores, after scoring what is missing, and the weight of what cannot be.

    Args:
        answers: read the answers' tokens, too, which only prices ask for.
    """
    with store.read() as connection:
        row_id = router_id(connection, router.identity)
    rows = None
    if row_id is not None:
        rows = scored_requests(store, row_id, population, EXTRACTION_VERSION, answers=answers)
    if rows is not None and len(rows.win_rates) == counts.with_prompt:
        return rows, 0.0
    row_id = score_missing(store, router, population, reporter).router_id
    rows = scored_requests(store, row_id, population, EXTRACTION_VERSION, answers=answers)
    with store.read() as connection:
        purged = prompts_without_text(connection, row_id, population, EXTRACTION_VERSION)
    return rows, purged


def rows_digest(rows: ScoredRequests) -> str:
    """SHA-256 of the (score, weight) rows in sorted order, as little-endian float64 pairs."""
    import numpy as np

    if (rows.weights == rows.weights[0]).all():
        pairs = np.column_stack((np.sort(rows.win_rates), rows.weights))
    else:
        order = np.lexsort((rows.weights, rows.win_rates))
        pairs = np.column_stack((rows.win_rates[order], rows.weights[order]))
    return hashlib.sha256(pairs.astype("<f8", copy=False).data).hexdigest()
