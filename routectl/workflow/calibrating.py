"""`routectl calibrate`: score what is missing, choose the threshold, record the calibration."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from routectl import __version__
from routectl.errors import CalibrationError, NoPromptsError
from routectl.extraction import EXTRACTION_VERSION
from routectl.records import Population, RouterIdentity
from routectl.routers import OpenRouter
from routectl.store.calibrations import add_calibration
from routectl.store.engine import Location, Store, open_store
from routectl.store.populations import Overview, overview
from routectl.store.scores import (
    ScoredRequests,
    prompts_without_text,
    router_id,
    scored_requests,
    unscored_prompts,
)
from routectl.workflow.actor import actor
from routectl.workflow.reporter import Reporter
from routectl.workflow.scoring import score_missing

if TYPE_CHECKING:
    from routectl.calibration import Choice


@dataclass(frozen=True, slots=True)
class Question:
    """What a calibration asks."""

    strong_fraction: float
    at_most: bool
    tolerance: float
    """How far the share may be from the target before the answer counts as a miss."""
    population: Population
    confidence: float
    next_requests: int
    note: str | None


@dataclass(frozen=True, slots=True)
class CalibrationResult:
    """A calibration as it was recorded."""

    id: int
    created_at: datetime
    router: RouterIdentity
    choice: Choice
    overview: Overview
    excluded: dict[str, float]
    """Weight of the requests without a score, by reason."""
    longer_than_read: float
    """Weighted share of the requests whose prompt is longer than the router reads."""
    rows_digest: str
    missed_by: float | None
    """How far the share is from the target, where that is more than the tolerance."""


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
    """
    with open_store(location) as store:
        with store.read() as connection:
            found = overview(connection, question.population, EXTRACTION_VERSION)
        _refuse_an_empty_population(found, question.population)
        _say_what_the_population_mixes(found, question.population, reporter)
        wanted = [
            router
            for router in routers
            if router.identity.fingerprint not in unnamed
            or not router.description.slow
            or _is_scored(store, router, question.population, found, reporter)
        ]
        return [_calibrate(store, router, question, found, reporter) for router in wanted]


def _is_scored(
    store: Store, router: OpenRouter, population: Population, found: Overview, reporter: Reporter
) -> bool:
    """Whether a slow router's scores are all there; says that it is left out where they are not."""
    with store.read() as connection:
        known = router_id(connection, router.identity)
        if known is not None:
            missing = unscored_prompts(connection, known, population, EXTRACTION_VERSION)
            if not missing:
                return True
    name = router.identity.name
    reporter.note(
        f"{name} is left out, because it is slow and has not scored all of these prompts; run "
        f"`routectl score -r {name}` first, or name it with -r {name}"
    )
    return False


def _calibrate(
    store: Store, router: OpenRouter, question: Question, found: Overview, reporter: Reporter
) -> CalibrationResult:
    from routectl.calibration import ScoredSample, choose

    rows, purged = _scored(store, router, question.population, found, reporter)
    population = question.population
    excluded = dict(found.excluded) | ({"purged": purged} if purged else {})
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
        ),
        strong_fraction=question.strong_fraction,
        at_most=question.at_most,
        noise=router.identity.noise,
        excluded_weight=sum(excluded.values()),
        confidence=question.confidence,
        next_requests=question.next_requests,
    )
    miss = abs(choice.strong_fraction - question.strong_fraction)
    created_at = datetime.now(UTC)
    longer = float(rows.weights[rows.longer_than_read].sum() / rows.weights.sum())
    digest = rows_digest(rows)
    identity = router.identity
    with store.write() as connection:
        calibration_id = add_calibration(
            connection,
            {
                "created_at": created_at,
                "actor": actor(),
                "note": question.note,
                "package_version": __version__,
                "router_id": rows.router,
                "router": identity.name,
                "fingerprint": identity.fingerprint,
                "strong_model": identity.model_pair and identity.model_pair.strong,
                "weak_model": identity.model_pair and identity.model_pair.weak,
                "population": population.to_json(),
                "sample_ids": found.sample_ids,
                "target": {
                    "strong_fraction": question.strong_fraction,
                    "at_most": question.at_most,
                    "tolerance": question.tolerance,
                },
                "threshold": choice.threshold,
                "gap_lower": choice.gap_lower,
                "gap_upper": choice.gap_upper,
                "strong_fraction": choice.strong_fraction,
                "next_share_below": choice.next_share_below,
                "next_share_above": choice.next_share_above,
                "requests": choice.requests,
                "prompts": choice.prompts,
                "clusters": choice.clusters,
                "cluster_kind": choice.cluster_kind,
                "effective_size": choice.n_eff,
                "intervals": {
                    "long_run": asdict(choice.long_run),
                    "next_requests": {
                        **asdict(choice.next_share),
                        "requests": choice.next_requests,
                    },
                },
                "excluded": excluded,
                "rows_digest": digest,
                "details": {
                    "choice": asdict(choice),
                    "longer_than_read": longer,
                    "scored_as": dict(identity.scored_as),
                },
            },
        )
    return CalibrationResult(
        id=calibration_id,
        created_at=created_at,
        router=identity,
        choice=choice,
        overview=found,
        excluded=excluded,
        longer_than_read=longer,
        rows_digest=digest,
        missed_by=miss if miss > question.tolerance + 1e-9 else None,
    )


def _scored(
    store: Store,
    router: OpenRouter,
    population: Population,
    found: Overview,
    reporter: Reporter,
) -> tuple[ScoredRequests, float]:
    """The population's scores, after scoring what is missing, and the weight of what cannot be."""
    with store.read() as connection:
        known = router_id(connection, router.identity)
    rows = None
    if known is not None:
        rows = scored_requests(store, known, population, EXTRACTION_VERSION)
    if rows is not None and len(rows.win_rates) == found.with_prompt:
        return rows, 0.0
    known = score_missing(store, router, population, reporter).router_id
    rows = scored_requests(store, known, population, EXTRACTION_VERSION)
    with store.read() as connection:
        purged = prompts_without_text(connection, known, population, EXTRACTION_VERSION)
    return rows, purged


def rows_digest(rows: ScoredRequests) -> str:
    """SHA-256 of the (score, weight) rows in sorted order, as little-endian float64 pairs."""
    import numpy as np

    if (rows.weights == rows.weights[0]).all():
        pairs = np.column_stack((np.sort(rows.win_rates), rows.weights))
    else:
        order = np.lexsort((rows.weights, rows.win_rates))
        pairs = np.column_stack((rows.win_rates[order], rows.weights[order]))
    return hashlib.sha256(pairs.astype("<f8").tobytes()).hexdigest()


def _refuse_an_empty_population(found: Overview, population: Population) -> None:
    if found.requests == 0:
        if found.other_versions:
            raise CalibrationError(
                f"all {found.other_versions:,} requests were imported with another version of the "
                "text extraction, which never mix: import the logs again"
            )
        if population == Population():
            raise NoPromptsError("the database holds no traffic: run `routectl import FILE` first")
        raise NoPromptsError(
            "no request matches the --where, --since and --until that were given: loosen them, "
            "or look at what there is with `routectl calibrate` without them"
        )
    if sum(found.excluded.values()) >= found.weight:
        raise NoPromptsError(
            f"none of the {found.requests:,} requests has a prompt to score "
            f"({', '.join(sorted(found.excluded))}): make the proxy log prompts, then import again"
        )


def _say_what_the_population_mixes(
    found: Overview, population: Population, reporter: Reporter
) -> None:
    asked = {condition.field for condition in population.where}
    groups = sorted(found.model_groups.items(), key=lambda item: -item[1])
    if len(groups) > 1 and "model_group" not in asked:
        shares = ", ".join(
            f"{group or '(none)'} {100 * weight / found.weight:.1f} %"
            for group, weight in groups[:5]
        )
        more = f" and {len(groups) - 5} more" if len(groups) > 5 else ""
        reporter.note(
            f"the traffic mixes {len(groups)} model groups ({shares}{more}); a route serves one: "
            f"pick it with --where model_group={groups[0][0] or groups[1][0]}"
        )
    for field, weight, condition in (
        ("status", found.failures, "status!=failure"),
        ("cache_hit", found.cache_hits, "cache_hit!=true"),
    ):
        if weight and field not in asked:
            what = "failed requests" if field == "status" else "answers from the cache"
            reporter.note(
                f"{100 * weight / found.weight:.1f} % are {what}, which count here; "
                f"leave them out with --where {condition}"
            )
    if found.other_versions:
        reporter.note(
            f"{found.other_versions:,} requests of another version of the text extraction are "
            "left out: import their logs again to bring them in"
        )
