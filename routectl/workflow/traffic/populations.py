"""Checks and notes on a population before a command works on it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import Connection

from routectl.errors import NoPromptsError
from routectl.extraction import EXTRACTION_VERSION
from routectl.records import Population
from routectl.route import quoted
from routectl.routers import OpenRouter
from routectl.store.engine import Store
from routectl.store.populations import Overview, requests_by_version, times, values_of
from routectl.store.scores import router_id, unscored_prompts
from routectl.workflow.reporter import Reporter

SHOWN = 8
"""Values of a field that a sentence names."""


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
        f"`routectl score -r {quoted(name)}` first, or name it with -r {quoted(name)}"
    )
    return False


def refuse_a_population_without_requests(
    connection: Connection, traffic: Overview, population: Population
) -> None:
    """Refuse a population without a request, and say what the database has instead.

    Raises:
        NoPromptsError: the population is empty, or another version of the text extraction wrote
            all of its requests.
    """
    _refuse_other_versions(traffic.requests, traffic.other_versions)
    if traffic.requests == 0:
        if population.is_everything():
            raise NoPromptsError("the database holds no traffic: run `routectl import FILE` first")
        raise NoPromptsError(
            f"no request matches {' '.join(_filters(population))}: "
            + "; ".join(_what_there_is(connection, population))
        )


def refuse_an_empty_population(
    connection: Connection, traffic: Overview, population: Population
) -> None:
    """Refuse a population without a prompt to score.

    Raises:
        NoPromptsError: the population is empty, or none of its requests has a prompt, or another
            version of the text extraction wrote them all.
    """
    refuse_a_population_without_requests(connection, traffic, population)
    if sum(traffic.excluded.values()) >= traffic.weight:
        raise NoPromptsError(
            f"none of the {traffic.requests:,} requests has a prompt to score "
            f"({', '.join(sorted(traffic.excluded))}): make the proxy log prompts, then import "
            "again"
        )


def _filters(population: Population) -> Iterator[str]:
    for condition in population.where:
        yield f"--where {quoted(str(condition))}"
    for name, time in (("since", population.since), ("until", population.until)):
        if time is not None:
            yield f"--{name} {time:%Y-%m-%dT%H:%M:%S}"


def _what_there_is(connection: Connection, population: Population) -> Iterator[str]:
    """What the database has of each field that a population filters on."""
    for field in dict.fromkeys(condition.field for condition in population.where):
        values = values_of(connection, field, EXTRACTION_VERSION)
        if not values:
            yield f"no request has a {field}"
            continue
        shown = ", ".join(f"{value} ({weight:,.0f})" for value, weight in values[:SHOWN])
        more = f" and {len(values) - SHOWN:,} more" if len(values) > SHOWN else ""
        yield f"there is {field} {shown}{more}"
    if population.since is not None or population.until is not None:
        first, last = times(connection, EXTRACTION_VERSION)
        if first is None or last is None:
            yield "no request has a time"
        else:
            yield f"the requests are from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"


def leave_out_other_versions(store: Store, population: Population, reporter: Reporter) -> None:
    """Say how many requests another version of the text extraction wrote: they are left out.

    Raises:
        NoPromptsError: it wrote all of them.
    """
    with store.read() as connection:
        current, others = requests_by_version(connection, population, EXTRACTION_VERSION)
    _refuse_other_versions(current, others)
    say_other_versions(others, reporter)


def _refuse_other_versions(current: int, others: int) -> None:
    if others and not current:
        raise NoPromptsError(
            f"all {others:,} requests were extracted by another version of routectl's text "
            "extraction, and versions never mix: import their logs again to renew them"
        )


def say_other_versions(others: int, reporter: Reporter) -> None:
    """Say how many requests another version of the text extraction wrote, if any."""
    if others:
        reporter.note(
            f"{others:,} requests were extracted by another version of routectl's text extraction "
            "and are left out: import their logs again to renew them"
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
        example = f"model_group={groups[0][0] or groups[1][0]}"
        reporter.note(
            f"the traffic mixes {len(groups)} model groups ({shares}{more}); a route serves one: "
            f"pick it with --where {quoted(example)}"
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
    say_other_versions(traffic.other_versions, reporter)
