"""`routectl calibrate`: score what is missing, choose the threshold, record the calibration."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import uuid4

from routectl.calibration import (
    Budget,
    MaxLoss,
    ScoredSample,
    StrongFraction,
    Target,
    TrafficMonth,
    choose,
    first_of_conversation,
)
from routectl.errors import UsageError
from routectl.extraction import EXTRACTION_VERSION
from routectl.policy import CONVERSATION, REQUEST, PinnedRouter, Policy
from routectl.prices import ModelPrice, require_asked
from routectl.records import Limits, Population
from routectl.route import quoted
from routectl.routers import OpenRouter
from routectl.store.calibrations import add_calibration, calibration, calibration_row
from routectl.store.engine import Location, Store
from routectl.store.opening import open_store
from routectl.store.populations import Overview, overview
from routectl.store.scores import (
    Models,
    ScoredRequests,
    prompts_without_text,
    router_id,
    scored_requests,
)
from routectl.workflow.actor import actor
from routectl.workflow.answering import Answered, suggested_route, who_answered
from routectl.workflow.judged import require_one_threshold_by_request, with_judged_rows
from routectl.workflow.policies import UNDECLARED
from routectl.workflow.populations import (
    ready_routers,
    refuse_an_empty_population,
    say_what_the_population_mixes,
)
from routectl.workflow.pricing import (
    PricedRequests,
    priced_requests,
    require_models,
    require_month,
    route_prices,
    traffic_month,
)
from routectl.workflow.quality import KnownQuality, known_quality
from routectl.workflow.recorded import RecordedCalibration, recorded
from routectl.workflow.reporter import Remembering, Reporter
from routectl.workflow.routing import RouteInUse, declared_limits, declared_models, default_route
from routectl.workflow.scoring import score_missing
from routectl.workflow.segments import (
    SegmentsToFit,
    segments_json,
    segments_to_fit,
)
from routectl.workflow.units import Conversations, by_conversation

__all__ = ["Budget", "MaxLoss", "Question", "StrongFraction", "Target", "calibrate"]


@dataclass(frozen=True, slots=True)
class Question:
    """What a calibration asks."""

    target: Target
    route: RouteInUse
    population: Population
    """With the route's own, as `RouteInUse.population` joins them."""
    confidence: float
    next_requests: int
    note: str | None
    prices: Mapping[str, ModelPrice] = field(default_factory=dict)
    """Those that go before the route's own and the list's."""
    dry_run: bool = False
    """Answer without a record; scores are kept all the same."""
    by: str | None = None
    """The field of a request (`policy.SEGMENT_FIELDS`) of which each value is a segment, with the
    same target and a threshold of its own; None: one threshold for all."""
    unit: str = REQUEST
    """request, or conversation: then the first request of each decides, and the rest follow."""


def calibrate(
    location: Location,
    routers: Sequence[OpenRouter],
    question: Question,
    reporter: Reporter,
    *,
    unnamed: Collection[str] = (),
) -> list[RecordedCalibration]:
    """Choose and record a threshold for each router.

    Args:
        unnamed: fingerprints of routers that nobody asked for by name. Of these a slow one takes
            part only if all of its scores are stored.

    Raises:
        NoPromptsError: the population is empty, or none of its requests has a prompt.
        CalibrationError: no threshold can be chosen, or no segment is large enough.
        UsageError: a price of a model that the route does not declare, or an evaluation that does
            not answer the question.
    """
    route = question.route
    refuse_other_prices(route, question.prices)
    if isinstance(question.target, Budget):
        require_models(route)
    with open_store(location) as store:
        with store.read() as connection:
            counts = overview(connection, question.population, EXTRACTION_VERSION)
            refuse_an_empty_population(connection, counts, question.population)
        shared = Remembering(reporter)
        say_what_the_population_mixes(counts, question.population, shared)
        evaluated = None
        if isinstance(question.target, MaxLoss):
            require_one_threshold_by_request(question.by, question.unit)
            with store.read() as connection:
                target, evaluated = with_judged_rows(
                    connection, question.target, routers, question.population, route, shared
                )
            question = replace(question, target=target)
        wanted = ready_routers(store, routers, unnamed, question.population, shared)
        traffic = traffic_of(store, question, counts, shared, evaluated)
        run = uuid4().hex
        return [
            _calibrate(store, router, question, traffic, run, Remembering(reporter, shared.notes))
            for router in wanted
        ]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is said of the population and its route, whatever the router."""

    counts: Overview
    evaluated: KnownQuality | None
    """Of the evaluation that the target names; None where it names none."""
    answered: Answered | None
    """None where the route declares no models."""
    suggestion: str | None
    prices: tuple[ModelPrice, ModelPrice] | None
    """Of the strong model and of the weak one."""
    segments: SegmentsToFit | None
    """None where there is to be one threshold for all."""


def traffic_of(
    store: Store,
    question: Question,
    counts: Overview,
    reporter: Reporter,
    evaluated: KnownQuality | None = None,
) -> Traffic:
    """What is said of the question's population and route."""
    route = question.route
    with store.read() as connection:
        return Traffic(
            counts,
            evaluated,
            who_answered(connection, route, question.population),
            suggested_route(connection, route, question.population) if route.pair is None else None,
            route_prices(route, question.prices, reporter),
            None
            if question.by is None
            else segments_to_fit(connection, question.by, question.population, reporter),
        )


def refuse_other_prices(route: RouteInUse, prices: Mapping[str, ModelPrice]) -> None:
    if prices and not route.declared.models:
        raise UsageError(
            f"--price is of a route's models, and route {route.name} declares none: name them with "
            f"`routectl route set {quoted(route.name)} --strong MODEL --weak MODEL`"
        )
    require_asked(prices, [model.name for model in route.declared.models])


@dataclass(frozen=True, slots=True)
class Gathered:
    """The requests that a question is about, scored and priced."""

    rows: ScoredRequests
    conversations: Conversations | None
    """None where each request is decided for itself."""
    sample: ScoredSample
    priced: PricedRequests | None
    month: TrafficMonth | str
    """Or why there is none."""
    excluded: Mapping[str, float]
    """Weight of the requests without a score, by reason."""
    limits: Mapping[str, Limits]


def gather(
    store: Store, router: OpenRouter, question: Question, traffic: Traffic, reporter: Reporter
) -> Gathered:
    """Score what is missing, and read the requests with their scores and prices."""
    counts, prices, answered = traffic.counts, traffic.prices, traffic.answered
    models = None
    if prices is not None and answered is not None:
        models = Models(answered.by_strong, answered.by_weak)
    limits = declared_limits(question.route.declared)
    rows, purged = _scored(
        store,
        router,
        question.population,
        counts,
        reporter,
        traffic.segments,
        models=models,
        limits=limits.values(),
    )
    _say_what_cannot_be_avoided(rows, limits, reporter)
    if rows.impossible:
        reporter.note(
            f"{rows.impossible:,} requests have a number of tokens, a cost or a time that no call "
            "can have; there it counts as unknown"
        )
    conversations = first = None
    if question.unit == CONVERSATION:
        with store.read() as connection:
            rows, conversations = by_conversation(connection, rows)
        first = first_of_conversation(rows.conversations, rows.times)
    excluded = dict(counts.excluded) | ({"purged": purged} if purged else {})
    priced = priced_requests(prices, rows)
    month = traffic_month(rows, priced)
    sample = replace(scored_sample(rows, priced, month), moving_together=first)
    return Gathered(rows, conversations, sample, priced, month, excluded, limits)


def scored_sample(
    rows: ScoredRequests, priced: PricedRequests | None, month: TrafficMonth | str
) -> ScoredSample:
    """What thresholds divide: requests with their scores, and their cost where it is known."""
    return ScoredSample(
        win_rates=rows.win_rates,
        weights=rows.weights,
        prompts=rows.prompts,
        conversations=rows.conversations,
        times=rows.times,
        tokens=rows.tokens,
        spend=rows.spend,
        strong_cost=None if priced is None else priced.strong_cost,
        weak_cost=None if priced is None else priced.weak_cost,
        month=month if isinstance(month, TrafficMonth) else None,
    )


def _calibrate(
    store: Store,
    router: OpenRouter,
    question: Question,
    traffic: Traffic,
    run: str,
    reporter: Remembering,
) -> RecordedCalibration:
    gathered = gather(store, router, question, traffic, reporter)
    counts, answered, identity = traffic.counts, traffic.answered, router.identity
    rows, priced, month = gathered.rows, gathered.priced, gathered.month
    excluded, limits, segments = gathered.excluded, gathered.limits, traffic.segments
    conversations = gathered.conversations
    if isinstance(question.target, Budget):
        require_month(priced, month)
    reporter.detail(f"choosing among the cuts of {len(rows.win_rates):,} scores")
    choice = choose(
        gathered.sample,
        question.target,
        noise=identity.noise,
        excluded_weight=sum(excluded.values()),
        confidence=question.confidence,
        next_requests=question.next_requests,
        segments=None if segments is None else segments.of(rows),
        pooled=0 if segments is None else segments.pooled,
    )
    spending = choice.cut.spending
    costs = None
    if priced is not None and spending is not None:
        told = month if isinstance(month, str) else choice.month
        assert told is not None
        costs = priced.costs(spending, told, choice.changes_model)
    segmented = choice.segmented
    longer = float(rows.weights[rows.longer_than_read].sum() / rows.weights.sum())
    policy = Policy(
        models=declared_models(question.route.declared) or UNDECLARED,
        routers=(PinnedRouter(router.spec, identity.fingerprint),),
        thresholds=(choice.cut.threshold,),
        limits=limits,
        segments={} if segmented is None else segmented.policy_thresholds,
        segment_field=question.by,
        unit=question.unit,
        extraction_version=EXTRACTION_VERSION,
    )
    with store.read() as connection:
        quality = traffic.evaluated or known_quality(connection, identity.fingerprint)
    row = calibration_row(
        created_at=datetime.now(UTC),
        actor=actor(),
        note=question.note,
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
            "other_models": answered and answered.others and answered.others.to_json(),
            "suggested_route": traffic.suggestion,
            "conversations": conversations and conversations.to_json(),
            "segments": question.by and segmented and segments_json(question.by, segmented),
        },
        rows_digest=rows_digest(rows),
        weight=counts.weight - sum(excluded.values()),
        model_groups=counts.model_groups,
        notes=reporter.notes,
    )
    if question.dry_run:
        with store.read() as connection:
            row.route_id = question.route.id
            return recorded(connection, row)
    with store.write() as connection:
        route_id = question.route.id
        row.route_id = default_route(connection).id if route_id is None else route_id
        return recorded(connection, calibration(connection, add_calibration(connection, row)))


def _say_what_cannot_be_avoided(
    rows: ScoredRequests, limits: Mapping[str, Limits], reporter: Reporter
) -> None:
    if rows.needs_strong is None:
        return
    share = float(rows.weights[rows.needs_strong].sum() / rows.weights.sum())
    if share == 0.0:
        return
    models = " and ".join(f"{model} ({cannot})" for model, cannot in limits.items())
    reporter.note(
        f"{100 * share:.1f} % of the requests are strong at any threshold, because they are more "
        f"than {models} can take"
    )


def _scored(
    store: Store,
    router: OpenRouter,
    population: Population,
    counts: Overview,
    reporter: Reporter,
    segments: SegmentsToFit | None,
    *,
    models: Models | None,
    limits: Collection[Limits],
) -> tuple[ScoredRequests, float]:
    """The population's scores, after scoring what is missing, and the weight of what cannot be.

    Args:
        segments: to be told apart.
        models: whose answers to tell apart, which only prices ask for.
        limits: what the weak model cannot take.
    """
    told_apart = None if segments is None else (segments.field, segments.names)

    def read(row_id: int) -> ScoredRequests:
        return scored_requests(
            store,
            row_id,
            population,
            EXTRACTION_VERSION,
            models=models,
            limits=limits,
            segments=told_apart,
        )

    with store.read() as connection:
        row_id = router_id(connection, router.identity)
    rows = None
    if row_id is not None:
        rows = read(row_id)
    if rows is not None and len(rows.win_rates) == counts.with_prompt:
        return rows, 0.0
    row_id = score_missing(store, router, population, reporter).router_id
    rows = read(row_id)
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
