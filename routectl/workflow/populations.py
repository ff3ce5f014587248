"""Checks and notes on a population before a command works on it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from routectl.errors import CalibrationError, NoPromptsError
from routectl.extraction import EXTRACTION_VERSION
from routectl.records import Population
from routectl.routers import OpenRouter
from routectl.store.engine import Store
from routectl.store.populations import Overview
from routectl.store.scores import router_id, unscored_prompts
from routectl.workflow.reporter import Reporter


def ready_routers(
    store: Store,
    routers: Sequence[OpenRouter],
    unnamed: Collection[str],
    population: Population,
    reporter: Reporter,
) -> list[OpenRouter]:
    """The routers less the slow ones that nobody named and that have not scored the population.

    Args:
        unnamed: fingerprints of routers that nobody asked for by name.
    """
    return [
        router
        for router in routers
        if router.identity.fingerprint not in unnamed
        or not router.description.slow
        or _is_scored(store, router, population, reporter)
    ]


def _is_scored(
    store: Store, router: OpenRouter, population: Population, reporter: Reporter
) -> bool:
    """Whether a slow router's scores are all there; where not, notes that it is left out."""
    with store.read() as connection:
        id = router_id(connection, router.identity)
        if id is not None:
            missing = unscored_prompts(connection, id, population, EXTRACTION_VERSION)
            if not missing:
                return True
    name = router.identity.name
    reporter.note(
        f"{name} is left out, because it is slow and has not scored all of these prompts; run "
        f"`routectl score -r {name}` first, or name it with -r {name}"
    )
    return False


def refuse_an_empty_population(traffic: Overview, population: Population) -> None:
    """Refuse a population without a prompt to score.

    Raises:
        NoPromptsError: the population is empty, or none of its requests has a prompt.
        CalibrationError: it is of another version of the text extraction.
    """
    if traffic.requests == 0:
        if traffic.other_versions:
            raise CalibrationError(
                f"all {traffic.other_versions:,} requests were imported with another version of "
                "the text extraction, which never mix: import the logs again"
            )
        if population == Population():
            raise NoPromptsError("the database holds no traffic: run `routectl import FILE` first")
        raise NoPromptsError(
            "no request matches the --where, --since and --until that were given: loosen them, "
            "or look at what there is without them"
        )
    if sum(traffic.excluded.values()) >= traffic.weight:
        raise NoPromptsError(
            f"none of the {traffic.requests:,} requests has a prompt to score "
            f"({', '.join(sorted(traffic.excluded))}): make the proxy log prompts, then import "
            "again"
        )


def say_what_the_population_mixes(
    traffic: Overview, population: Population, reporter: Reporter
) -> None:
    """Notes on requests that one question should rarely be about together."""
    filtered = {condition.field for condition in population.where}
    groups = sorted(traffic.model_groups.items(), key=lambda item: -item[1])
    if len(groups) > 1 and "model_group" not in filtered:
        shares = ", ".join(
            f"{group or '(none)'} {100 * weight / traffic.weight:.1f} %"
            for group, weight in groups[:5]
        )
        more = f" and {len(groups) - 5} more" if len(groups) > 5 else ""
        reporter.note(
            f"the traffic mixes {len(groups)} model groups ({shares}{more}); a route serves one: "
            f"pick it with --where model_group={groups[0][0] or groups[1][0]}"
        )
    for field, weight, condition in (
        ("status", traffic.failures, "status!=failure"),
        ("cache_hit", traffic.cache_hits, "cache_hit!=true"),
    ):
        if weight and field not in filtered:
            what = "failed requests" if field == "status" else "answers from the cache"
            reporter.note(
                f"{100 * weight / traffic.weight:.1f} % are {what}, which count here; "
                f"leave them out with --where {condition}"
            )
    if traffic.other_versions:
        reporter.note(
            f"{traffic.other_versions:,} requests of another version of the text extraction are "
            "left out: import their logs again to bring them in"
        )
