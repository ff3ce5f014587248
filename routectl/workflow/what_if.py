"""What other thresholds than the active one would give, by look-ups on one cut table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routectl.policy import REQUEST, meets, threshold_value
from routectl.records import Population
from routectl.store.engine import Store
from routectl.store.evaluations import evaluation
from routectl.store.models import Evaluation
from routectl.store.scores import Models, scored_requests, stored_router
from routectl.workflow.answering import who_answered
from routectl.workflow.calibrating import rows_digest, scored_sample
from routectl.workflow.judged import judged_sample
from routectl.workflow.pricing import priced_requests, traffic_month
from routectl.workflow.quality import KnownQuality, known_quality, quality_of
from routectl.workflow.routing import RouteInUse

if TYPE_CHECKING:
    from routectl.calibration import Cut
    from routectl.workflow.recorded import RecordedCalibration

STEPS = 100
"""Of a point each."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The cuts nearest to each whole percent, and the one that runs."""

    requests: int
    """With a score, that the cuts are of."""
    as_calibrated: bool
    """They are those of the calibration; else some came or went since."""
    cuts: Sequence[Cut]
    """By strong fraction, ascending."""
    months: Sequence[float] | None
    """US dollars a month, of each cut; None where that is not known."""
    quality: Quality | None
    """What an evaluation says of each; None where there is none."""
    current: int
    """The cut that the active threshold makes."""


@dataclass(frozen=True, slots=True)
class Quality:
    """The mean quality of an evaluation's prompts, in its own unit."""

    evaluation: KnownQuality
    prompts: int
    of_cuts: Sequence[float]
    """Each answered by the model to which a cut's threshold sends it."""


def what_if(store: Store, route: RouteInUse, calibration: RecordedCalibration) -> WhatIf | None:
    """The cuts of a calibration's population, as it is stored now, at the calibration's prices.

    Returns:
        None where the policy has more than one threshold or decides conversations, so that no cut
        says what it does; and where no score is stored any more.
    """
    from routectl.calibration import Cut, StrongFraction

    policy = calibration.policy
    if len(policy.thresholds) != 1 or policy.segments or policy.unit != REQUEST:
        return None
    router = calibration.router
    population = Population.from_json(calibration.population)
    costs = calibration.costs
    with store.read() as connection:
        id = stored_router(connection, router.name, router.fingerprint)
        answered = None if costs is None else who_answered(connection, route, population)
        newest = known_quality(connection, router.fingerprint)
        evaluated = None if newest is None else evaluation(connection, newest.evaluation_id)
    if id is None:
        return None
    rows = scored_requests(
        store,
        id,
        population,
        policy.extraction_version,
        models=None if answered is None else Models(answered.by_strong, answered.by_weak),
        limits=policy.limits.values(),
    )
    if not len(rows.win_rates):
        return None
    priced = priced_requests(None if costs is None else (costs.strong, costs.weak), rows)
    month = traffic_month(rows, priced)
    table = scored_sample(rows, priced, month).cut_table()
    current = table.at(threshold_value(policy.thresholds[0]))
    cuts = {current: Cut.of(table, current, policy.thresholds[0])}
    for step in range(STEPS + 1):
        cut = StrongFraction(step / STEPS).cut(table, router.noise)
        cuts.setdefault(table.at(threshold_value(cut.threshold)), cut)
    indices = sorted(cuts)
    return WhatIf(
        requests=len(rows.win_rates),
        as_calibrated=rows_digest(rows) == calibration.rows_digest,
        cuts=[cuts[index] for index in indices],
        months=None if table.month is None else [float(table.month[index]) for index in indices],
        quality=None
        if evaluated is None
        else _quality(evaluated, [threshold_value(cuts[index].threshold) for index in indices]),
        current=indices.index(current),
    )


def _quality(evaluated: Evaluation, thresholds: Sequence[float]) -> Quality:
    from routectl.calibration import expected_quality

    judged = judged_sample(evaluated)
    means = [
        expected_quality(judged, meets(judged.win_rates, at), evaluated.confidence)[0]
        for at in thresholds
    ]
    return Quality(quality_of(evaluated), len(judged), means)
