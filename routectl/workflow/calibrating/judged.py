"""The judged requests of an evaluation, for a target that asks what quality a cut loses."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from routectl.calibration import JudgedSample, MaxLoss
from routectl.errors import UsageError
from routectl.model_names import canonical
from routectl.policy import REQUEST
from routectl.records import IdKind, Population
from routectl.routers import OpenRouter
from routectl.store.evaluations import damaged_rows, evaluation, newest_evaluation, rows_of
from routectl.store.models import Evaluation
from routectl.workflow.calibrating.quality import TRAFFIC, KnownQuality, quality_of
from routectl.workflow.reporter import Reporter
from routectl.workflow.routes.in_use import RouteInUse


def with_judged_rows(
    connection: Connection,
    target: MaxLoss,
    routers: Sequence[OpenRouter],
    population: Population,
    route: RouteInUse,
    reporter: Reporter,
) -> tuple[MaxLoss, KnownQuality]:
    """The target with the rows of its evaluation, and what that says of the router.

    Notes where the judged requests are not of the population, or their models not the route's.

    Raises:
        StoreError: there is no such evaluation, or its rows are damaged.
        UsageError: it is of another router, or of the same at another fingerprint; or the target
            has no meaning for its qualities.
    """
    stored = evaluation(connection, target.evaluation)
    ref = IdKind.EVALUATION.ref(stored.id)
    _require_router(stored, ref, routers)
    _note_differences(stored, ref, population, route, reporter)
    return target.with_judged(judged_sample(stored)), quality_of(stored)


def require_one_threshold_by_request(by: str | None, unit: str) -> None:
    """Refuse a question that judged requests do not answer: each was judged by its own score.

    Raises:
        UsageError: each segment gets a threshold, or the first request of a conversation decides.
    """
    if by is not None:
        raise UsageError(
            f"--by {by} does not go with a target of quality: judged requests are not told apart "
            "by segment, so all segments would have one threshold; leave out --by"
        )
    if unit != REQUEST:
        raise UsageError(
            f"--unit {unit} does not go with a target of quality: nobody judged what is lost on "
            "the requests that follow the first one; leave out --unit"
        )


def _require_router(stored: Evaluation, ref: str, routers: Sequence[OpenRouter]) -> None:
    others = [r.identity for r in routers if r.identity.fingerprint != stored.fingerprint]
    if not others:
        return
    name, fingerprint = others[0].name, others[0].fingerprint
    if name == stored.router:
        raise UsageError(
            f"evaluation {ref} is of {name} at the fingerprint {stored.fingerprint[:12]}, and this "
            f"one has {fingerprint[:12]}: it scores otherwise, so evaluate it anew with "
            "`routectl label` or `routectl evaluate`"
        )
    raise UsageError(
        f"evaluation {ref} is of the router {stored.router} and says nothing of {name}: name one "
        "of that router, which `routectl evaluations list` has, or the router with -r"
    )


def _note_differences(
    stored: Evaluation, ref: str, population: Population, route: RouteInUse, reporter: Reporter
) -> None:
    if stored.kind != TRAFFIC:
        reporter.note(
            f"{ref} is of the benchmark {stored.benchmark} and not of this traffic, which may lose "
            "more: `routectl label` judges its own requests"
        )
    else:
        drawn = set(stored.details["population"]["where"])
        asked = {str(condition) for condition in population.where}
        if drawn != asked:
            reporter.note(
                f"{ref} was drawn from {_text(drawn)} and the threshold is for {_text(asked)}, "
                "which may lose more"
            )
    pair = route.pair
    if pair is not None and [canonical(m) for m in (pair.strong, pair.weak)] != [
        canonical(m) for m in (stored.strong_model, stored.weak_model)
    ]:
        reporter.note(
            f"{ref} compares {stored.strong_model} with {stored.weak_model}, and the route's "
            f"models are {pair.strong} and {pair.weak}: the loss is between the former"
        )


def _text(conditions: set[str]) -> str:
    return ", ".join(sorted(conditions)) or "all requests"


def newest_judged(
    connection: Connection, fingerprint: str
) -> tuple[KnownQuality, JudgedSample] | None:
    """What the newest evaluation of a router says, on traffic before a benchmark, and its requests.

    Returns:
        None where there is no evaluation.

    Raises:
        StoreError: its rows hold what no evaluation has.
    """
    newest = newest_evaluation(connection, fingerprint)
    if newest is None:
        return None
    stored = evaluation(connection, newest.id)
    return quality_of(stored), judged_sample(stored)


def judged_sample(stored: Evaluation) -> JudgedSample:
    """Raises StoreError where the rows hold what no evaluation has."""
    import numpy as np

    rows = rows_of(stored)
    n = len(rows.win_rates)
    weights = np.ones(n) if rows.weights is None else rows.weights
    qualities = np.concatenate((rows.strong_quality, rows.weak_quality))
    of_verdicts = stored.kind == TRAFFIC
    numbers = np.concatenate((rows.win_rates, qualities, weights))
    if not (np.isfinite(numbers).all() and (weights > 0).all()):
        raise damaged_rows(stored)
    if of_verdicts and not (qualities.min() >= 0 and qualities.max() <= 1):
        raise damaged_rows(stored)
    # A verdict is a loss of 1 at most, whether there is one among these rows or not. Of another
    # unit nobody knows the ends but by its values; where all are equal, any number will do.
    span = 1.0 if of_verdicts else float(np.ptp(qualities)) or 1.0
    return JudgedSample(
        win_rates=rows.win_rates,
        strong_quality=rows.strong_quality,
        weak_quality=rows.weak_quality,
        weights=weights,
        strata=np.zeros(n, dtype=np.int64) if rows.strata is None else rows.strata,
        largest_loss=span,
    )
