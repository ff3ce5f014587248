"""`routectl calibrate`: score what is missing, choose the threshold, record the calibration."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from routectl.calibration import Budget, MaxLoss, StrongFraction, Target, choose
from routectl.extraction import EXTRACTION_VERSION
from routectl.policy import PinnedRouter, Policy
from routectl.routers import OpenRouter
from routectl.store.calibrations import add_calibration, calibration, calibration_row
from routectl.store.engine import Location, Store
from routectl.store.opening import open_store
from routectl.store.populations import overview
from routectl.workflow.actor import actor
from routectl.workflow.calibrating.gathering import (
    Question,
    Traffic,
    gather,
    refuse_other_prices,
    rows_digest,
    traffic_of,
)
from routectl.workflow.calibrating.judged import require_one_threshold_by_request, with_judged_rows
from routectl.workflow.calibrating.pricing import require_models, require_month
from routectl.workflow.calibrating.quality import known_quality
from routectl.workflow.calibrating.recorded import RecordedCalibration, recorded
from routectl.workflow.calibrating.segments import segments_json
from routectl.workflow.policies.stored import UNDECLARED
from routectl.workflow.reporter import Remembering, Reporter
from routectl.workflow.routes.in_use import declared_models, default_route
from routectl.workflow.traffic.populations import (
    ready_routers,
    refuse_an_empty_population,
    say_what_the_population_mixes,
)

__all__ = ["Budget", "MaxLoss", "Question", "StrongFraction", "Target", "calibrate"]


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
        of_cut = month if isinstance(month, str) else choice.month
        assert of_cut is not None
        costs = priced.costs(spending, of_cut, choice.changes_model)
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
