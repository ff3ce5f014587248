"""The requests that a question is about: scored where scores are missing, and priced."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from routectl.calibration import ScoredSample, Target, TrafficMonth, first_of_conversation
from routectl.errors import UsageError
from routectl.extraction import EXTRACTION_VERSION
from routectl.policy import CONVERSATION, REQUEST
from routectl.prices import ModelPrice, require_asked
from routectl.records import Limits, Population
from routectl.route import quoted
from routectl.routers import OpenRouter
from routectl.store.engine import Store
from routectl.store.populations import Overview
from routectl.store.scores import (
    Models,
    ScoredRequests,
    prompts_without_text,
    router_id,
    scored_requests,
)
from routectl.workflow.calibrating.answering import Answered, suggested_route, who_answered
from routectl.workflow.calibrating.pricing import (
    PricedRequests,
    priced_requests,
    route_prices,
    traffic_month,
)
from routectl.workflow.calibrating.quality import KnownQuality
from routectl.workflow.calibrating.segments import SegmentsToFit, segments_to_fit
from routectl.workflow.calibrating.units import Conversations, by_conversation
from routectl.workflow.reporter import Reporter
from routectl.workflow.routes.in_use import RouteInUse, declared_limits
from routectl.workflow.scoring import score_missing


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
    """Refuse prices of models that the route does not declare.

    Raises:
        UsageError: there is one.
    """
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
