"""`routectl calibrate`: score what is missing, choose the threshold, record the calibration."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from routectl.calibration import ScoredSample, StrongFraction, choose
from routectl.extraction import EXTRACTION_VERSION
from routectl.policy import PinnedRouter, Policy
from routectl.prices import ModelPrice, require_asked
from routectl.records import Population
from routectl.routers import OpenRouter
from routectl.store.calibrations import add_calibration, calibration, calibration_row
from routectl.store.engine import Location, Store
from routectl.store.models import Route
from routectl.store.opening import open_store
from routectl.store.populations import Overview, overview
from routectl.store.scores import (
    ScoredRequests,
    prompts_without_text,
    router_id,
    scored_requests,
)
from routectl.workflow.actor import actor
from routectl.workflow.policies import UNDECLARED
from routectl.workflow.populations import (
    ready_routers,
    refuse_an_empty_population,
    say_what_the_population_mixes,
)
from routectl.workflow.pricing import Costs, priced_requests
from routectl.workflow.recorded import RecordedCalibration, recorded
from routectl.workflow.reporter import Remembering, Reporter
from routectl.workflow.routing import picked_route, route_to_write
from routectl.workflow.scoring import score_missing

__all__ = ["Question", "StrongFraction", "calibrate"]


@dataclass(frozen=True, slots=True)
class Question:
    """What a calibration asks."""

    target: StrongFraction
    population: Population
    confidence: float
    next_requests: int
    note: str | None
    prices: Mapping[str, ModelPrice] = field(default_factory=dict)
    """Those that go before the list's."""
    dry_run: bool = False
    """Answer without a record; scores are kept all the same."""
    route: str | None = None
    """None is the only one there is."""


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
        CalibrationError: no threshold can be chosen.
        UsageError: a price of a model that none of the routers decides about; or there are several
            routes, and none is named.
        StoreError: there is no such route.
    """
    pairs = [router.identity.model_pair for router in routers]
    require_asked(
        question.prices,
        list(dict.fromkeys(m for pair in pairs if pair for m in (pair.strong, pair.weak))),
    )
    with open_store(location) as store:
        with store.read() as connection:
            route = picked_route(connection, question.route)
            counts = overview(connection, question.population, EXTRACTION_VERSION)
            refuse_an_empty_population(connection, counts, question.population)
        shared = Remembering(reporter)
        say_what_the_population_mixes(counts, question.population, shared)
        wanted = ready_routers(store, routers, unnamed, question.population, shared)
        run = uuid4().hex
        return [
            _calibrate(
                store, router, question, counts, route, run, Remembering(reporter, shared.notes)
            )
            for router in wanted
        ]


def _calibrate(
    store: Store,
    router: OpenRouter,
    question: Question,
    counts: Overview,
    route: Route | None,
    run: str,
    reporter: Remembering,
) -> RecordedCalibration:
    rows, purged = _scored(store, router, question.population, counts, reporter)
    excluded = dict(counts.excluded) | ({"purged": purged} if purged else {})
    identity = router.identity
    priced = priced_requests(identity.model_pair, rows, question.prices, reporter)
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
        costs = Costs(priced.strong, priced.weak, spending)
    longer = float(rows.weights[rows.longer_than_read].sum() / rows.weights.sum())
    policy = Policy(
        models=UNDECLARED,
        routers=(PinnedRouter(router.spec, identity.fingerprint),),
        thresholds=(choice.cut.threshold,),
        extraction_version=EXTRACTION_VERSION,
    )
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
        longer_than_read=longer,
        costs=None if costs is None else costs.to_json(),
        rows_digest=rows_digest(rows),
        weight=counts.weight - sum(excluded.values()),
        model_groups=counts.model_groups,
        notes=reporter.notes,
    )
    if question.dry_run:
        with store.read() as connection:
            if route is not None:
                row.route_id = route.id
            return recorded(connection, row)
    with store.write() as connection:
        row.route_id = route_to_write(connection, route).id
        return recorded(connection, calibration(connection, add_calibration(connection, row)))


def _scored(
    store: Store,
    router: OpenRouter,
    population: Population,
    counts: Overview,
    reporter: Reporter,
) -> tuple[ScoredRequests, float]:
    """The population's scores, after scoring what is missing, and the weight of what cannot be."""
    # Only between two models does it matter which tokens are the answer's.
    answers = router.identity.model_pair is not None
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
