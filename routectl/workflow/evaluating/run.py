"""Scoring benchmarks, judging the scores, and an entry in the store for each router."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from routectl.errors import UsageError
from routectl.output import Output
from routectl.policy import config_string, threshold_value
from routectl.prices import ModelPrice, prices_within
from routectl.routers import OpenRouter
from routectl.store import routes
from routectl.store.calibrations import calibration
from routectl.store.engine import Location, Store
from routectl.store.opening import open_store
from routectl.store.prompts import prompt_ids
from routectl.store.scores import router_id, unscored_of, win_rates
from routectl.workflow.evaluating.benchmark_costs import compute_costs, known_costs
from routectl.workflow.evaluating.preparing import Prepared, Question
from routectl.workflow.evaluating.similarity import TrainingSimilarity, training_similarities
from routectl.workflow.evaluating.store_rows import Evaluated, EvaluatedRouter, store_evaluated
from routectl.workflow.reporter import Reporter
from routectl.workflow.scoring import score_prompts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.evaluation.benchmark import JudgedPair
    from routectl.evaluation.router_results import RouterResult

_Plots = Mapping[tuple[str, str], Output]
LENGTH = "length"
_PROMPTS_AT_ONCE = 5_000
"""Prompts that one transaction stores."""


def evaluate(
    location: Location,
    routers: Sequence[OpenRouter],
    paths: Sequence[Path],
    question: Question,
    reporter: Reporter,
    *,
    unnamed: Collection[str] = (),
) -> list[Evaluated]:
    """Judge routers on benchmarks, and store one evaluation for each of them.

    The benchmarks' prompts are scored as `score` scores traffic: in steps that are kept, so a
    stopped run goes on where it was, and a second one has only to read.

    Args:
        unnamed: fingerprints of routers that nobody asked for by name. Of these a slow one takes
            part only if all of its scores are stored.

    Raises:
        InputError: a benchmark cannot be read, or lacks one of the models.
        UsageError: no pair of models is known, or a router decides between other models.
        CheckFailed: `strict`, and a router was trained on some of the prompts.
    """
    prepared = [Prepared.of(path, routers, question) for path in paths]
    plots = [_plot_outputs(benchmark.judged.benchmark, question, paths) for benchmark in prepared]
    with open_store(location) as store:
        similarities: Sequence[TrainingSimilarity | None] = [None] * len(prepared)
        if question.trained_on:
            judged = [benchmark.judged for benchmark in prepared]
            similarities = training_similarities(judged, question.trained_on, reporter)
        return [
            _evaluate(store, benchmark, similarity, routers, question, outputs, reporter, unnamed)
            for benchmark, similarity, outputs in zip(prepared, similarities, plots, strict=True)
        ]


def _plot_outputs(benchmark: str, question: Question, paths: Sequence[Path]) -> _Plots:
    """The files of a benchmark's plots, checked before any work."""
    if question.plots is None:
        return {}
    from routectl.report.plots import plot_outputs

    return plot_outputs(
        benchmark,
        question.plots,
        question.plot_formats,
        inputs=(*paths, *question.leave_out, *question.trained_on),
        force=question.force,
    )


def _evaluate(
    store: Store,
    prepared: Prepared,
    training_similarity: TrainingSimilarity | None,
    routers: Sequence[OpenRouter],
    question: Question,
    plots: _Plots,
    reporter: Reporter,
    unnamed: Collection[str],
) -> Evaluated:
    from routectl.evaluation.router_results import evaluate_routers

    judged = prepared.judged
    ids = _store_prompts(store, judged.prompts)
    wanted = [
        router
        for router in _distinct(routers)
        if not _is_left_out(store, router, list(ids.values()), unnamed, reporter)
    ]
    scored = score_prompts(store, wanted, list(ids.values()), reporter)
    labels = _labels(wanted)
    with store.read() as connection:
        scores = {
            labels[result.router.fingerprint]: _by_row(
                judged.prompts, ids, win_rates(connection, result.router_id, list(ids.values()))
            )
            for result in scored
        }
        thresholds = [_active_thresholds(connection, router) for router in wanted]
    reporter.detail(f"{question.draws:,} draws of {len(judged):,} rows")
    baseline = {} if LENGTH in scores else {LENGTH: _length_scores(judged.prompts)}
    results = evaluate_routers(
        {**scores, **baseline},
        judged,
        qualities=question.qualities,
        draws=question.draws,
        seed=question.seed,
        confidence=question.confidence,
    )
    by_name = {result.name: result for result in results.routers}
    parts = [
        _part(router, row.router_id, result, scores[result.name], active, prepared, question)
        for router, row, result, active in zip(
            wanted, scored, results.routers, thresholds, strict=False
        )
    ]
    answers = known_costs(judged, _prices(judged, question), question.answer_tokens, reporter)
    costs = None
    if answers is not None:
        points = {part.result.name: part.operating_points for part in parts}
        costs = compute_costs(answers, judged, {**scores, **baseline}, results, points)
    evaluated = Evaluated(
        judged=judged,
        routers=parts,
        results=results,
        length=by_name[LENGTH],
        repeated=len(judged) - len(ids),
        unseen_left_out=prepared.unseen_left_out,
        training_similarity=training_similarity,
        costs=costs,
        created_at=datetime.now(UTC),
        question=question,
    )
    stored = store_evaluated(store, evaluated, ids)
    if not plots:
        return stored
    return replace(stored, plots=_draw(stored, plots, baseline, reporter))


def _prices(judged: JudgedPair, question: Question) -> dict[str, ModelPrice]:
    """Prices that go before the list's: those that were given, then the route's own of the models
    that are compared."""
    own = question.route_prices
    names = prices_within(own, (judged.pair.strong, judged.pair.weak))
    given = {name: own[name] for name in names if not prices_within(question.prices, [name])}
    return given | dict(question.prices)


def _draw(
    evaluated: Evaluated,
    plots: _Plots,
    baselines: Mapping[str, NDArray[np.float64]],
    reporter: Reporter,
) -> list[Path]:
    from routectl.report.plots import draw_evaluation

    reporter.detail(f"drawing {evaluated.judged.benchmark}")
    question = evaluated.question
    thresholds = {}
    for part in evaluated.routers:
        # Where several routes run one router, the first stands for them.
        for point in list(part.operating_points.values())[:1]:
            thresholds[part.result.name] = (
                config_string(part.name, point.threshold),
                threshold_value(point.threshold),
            )
    judged = evaluated.judged
    if evaluated.costs is not None:
        answers = evaluated.costs.answers
        judged = replace(judged, strong_cost=answers.strong, weak_cost=answers.weak)
    return draw_evaluation(
        judged,
        {part.result.name: part.scores for part in evaluated.routers},
        plots,
        baselines=baselines,
        thresholds=thresholds,
        draws=question.draws,
        seed=question.seed,
        confidence=question.confidence,
    )


def _store_prompts(store: Store, prompts: Sequence[str]) -> dict[str, int]:
    """The ids of the distinct prompts, by text."""
    distinct = list(dict.fromkeys(prompts))
    ids: dict[str, int] = {}
    for start in range(0, len(distinct), _PROMPTS_AT_ONCE):
        with store.write() as connection:
            ids |= prompt_ids(connection, distinct[start : start + _PROMPTS_AT_ONCE])
    return ids


def _part(
    router: OpenRouter,
    router_id: int,
    result: RouterResult,
    scores: NDArray[np.float64],
    thresholds: Mapping[str, str],
    prepared: Prepared,
    question: Question,
) -> EvaluatedRouter:
    from routectl.evaluation.binned import binned_figures
    from routectl.evaluation.router_results import operating_point

    judged, is_seen = prepared.judged, prepared.seen[router.identity.fingerprint]
    binned = None
    if question.bins is not None:
        binned = binned_figures(scores, judged.strong_quality, judged.weak_quality, question.bins)
    return EvaluatedRouter(
        router=router,
        router_id=router_id,
        evaluation_id=None,
        result=result,
        scores=scores,
        seen=None if is_seen is None else int(is_seen.sum()),
        operating_points={
            route: operating_point(result.curve, threshold)
            for route, threshold in thresholds.items()
        },
        binned=binned,
    )


def _distinct(routers: Sequence[OpenRouter]) -> list[OpenRouter]:
    """Each fingerprint once. `random` has its exact expectation, so a draw of it says less."""
    distinct = {r.identity.fingerprint: r for r in routers if r.description.kind != "random"}
    if not distinct:
        raise UsageError("random is a baseline that every evaluation has: name another --router")
    return list(distinct.values())


def _labels(routers: Sequence[OpenRouter]) -> dict[str, str]:
    """By fingerprint: the router's name, with its checkpoint where two share the name."""
    names = [router.identity.name for router in routers]
    labels: dict[str, str] = {}
    for router in routers:
        name, folder = router.identity.name, router.description.checkpoint
        if names.count(name) > 1:
            name = f"{name}={'' if folder is None else folder.name}"
        if name in labels.values():
            name = f"{name} {router.identity.fingerprint[:6]}"
        labels[router.identity.fingerprint] = name
    return labels


def _is_left_out(
    store: Store,
    router: OpenRouter,
    ids: Sequence[int],
    unnamed: Collection[str],
    reporter: Reporter,
) -> bool:
    """Whether a slow router that nobody named has scores missing; says so."""
    if router.identity.fingerprint not in unnamed or not router.description.slow:
        return False
    with store.read() as connection:
        stored_id = router_id(connection, router.identity)
        if stored_id is not None and not unscored_of(connection, stored_id, ids):
            return False
    name = router.identity.name
    reporter.note(f"{name} is left out, because it is slow; name it with -r {name} to have it")
    return True


def _by_row(
    prompts: Sequence[str], ids: Mapping[str, int], by_id: Mapping[int, float]
) -> NDArray[np.float64]:
    import numpy as np

    return np.array([by_id[ids[prompt]] for prompt in prompts])


def _length_scores(prompts: Sequence[str]) -> NDArray[np.float64]:
    from routectl.routers import open_router

    return open_router(LENGTH).load().strong_win_rates(prompts)


def _active_thresholds(connection: Connection, router: OpenRouter) -> dict[str, str]:
    """By route that runs this very router: its threshold."""
    thresholds = {}
    for route in routes.routes(connection):
        log = routes.activations(connection, route.id)
        if log and log[-1].calibration_id is not None:
            active = calibration(connection, log[-1].calibration_id)
            if active.fingerprint == router.identity.fingerprint:
                thresholds[route.name] = active.threshold
    return thresholds
