"""What other thresholds than the active one would give, by look-ups on one cut table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routectl.policy import REQUEST, threshold_value
from routectl.records import Population
from routectl.store.engine import Store
from routectl.store.scores import Models, scored_requests, stored_router
from routectl.workflow.calibrating.answering import who_answered
from routectl.workflow.calibrating.gathering import rows_digest, scored_sample
from routectl.workflow.calibrating.judged import newest_judged
from routectl.workflow.calibrating.pricing import priced_requests, traffic_month
from routectl.workflow.routes.in_use import RouteInUse

if TYPE_CHECKING:
    from routectl.calibration import CutFigures
    from routectl.workflow.calibrating.quality import KnownQuality
    from routectl.workflow.calibrating.recorded import RecordedCalibration

STEPS = 100
"""Of a point each."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The cuts nearest to each whole percent, and the one that runs."""

    requests: int
    """With a score, that the cuts are of."""
    as_calibrated: bool
    """They are those of the calibration; else some came or went since."""
    figures: Sequence[CutFigures]
    """By strong fraction, ascending; without intervals of share and money."""
    evaluated: KnownQuality | None
    """What the qualities are from; None where nothing is evaluated."""
    judged: int
    """Prompts of that evaluation; 0 without one."""
    current: int
    """Index into `figures` of the cut that the active threshold makes."""


def what_if(store: Store, route: RouteInUse, calibration: RecordedCalibration) -> WhatIf | None:
    """The cuts of a calibration's population, as it is stored now, at the calibration's prices.

    Returns:
        None where the policy has more than one threshold or decides conversations, so that no cut
        says what it does; and where no score is stored any more.
    """
    from routectl.calibration import Cut, StrongFraction, cut_figures

    policy = calibration.policy
    if len(policy.thresholds) != 1 or policy.segments or policy.unit != REQUEST:
        return None
    router = calibration.router
    population = Population.from_json(calibration.population)
    costs = calibration.costs
    with store.read() as connection:
        id = stored_router(connection, router.name, router.fingerprint)
        answered = None if costs is None else who_answered(connection, route, population)
        evaluated = newest_judged(connection, router.fingerprint)
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
    sample = scored_sample(rows, priced, traffic_month(rows, priced))
    table = sample.cut_table()
    current = table.at(threshold_value(policy.thresholds[0]))
    cuts = {current: Cut.of(table, current, policy.thresholds[0])}
    for step in range(STEPS + 1):
        cut = StrongFraction(step / STEPS).cut(table, router.noise)
        cuts.setdefault(table.at(threshold_value(cut.threshold)), cut)
    quality, judged = (None, None) if evaluated is None else evaluated
    confidence = calibration.choice.certainty.long_run.confidence
    indices = sorted(cuts)
    return WhatIf(
        requests=len(sample),
        as_calibrated=rows_digest(rows) == calibration.rows_digest,
        figures=[cut_figures(sample, table, cuts[index], judged, confidence) for index in indices],
        evaluated=quality,
        judged=0 if judged is None else len(judged),
        current=indices.index(current),
    )
