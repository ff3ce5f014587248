"""`routectl traffic`: what requests the database holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from routectl.extraction import EXTRACTION_VERSION
from routectl.records import Population
from routectl.store.engine import Location
from routectl.store.opening import open_store
from routectl.store.populations import (
    distinct_prompts,
    overview,
    times,
    weights_by,
    weights_without,
)
from routectl.workflow.reporter import Remembering, Reporter
from routectl.workflow.traffic.populations import (
    refuse_a_population_without_requests,
    say_other_versions,
)


@dataclass(frozen=True, slots=True)
class Traffic:
    """The requests of a population. Weights count the requests that a row stands for."""

    population: Mapping[str, Any]
    """As `Population.to_json` writes it."""
    first: datetime | None
    """None where no request has a time."""
    last: datetime | None
    requests: int
    """Rows."""
    weight: float
    prompts: int
    """Distinct texts."""
    samples: int
    """Imports that brought any of them."""
    by_model_group: Mapping[str | None, float]
    """Weight by value, the largest first; None where the log names none."""
    by_team: Mapping[str | None, float]
    by_model: Mapping[str | None, float]
    """The model that answered."""
    remarks: Mapping[str, float]
    """Weight by what is particular: the reasons why a request has no prompt to score (no_text,
    truncated, redacted), failures, cache_hits, without_time, without_conversation,
    without_tokens. A request may be in several, or in none."""
    warnings: list[str]


def traffic(location: Location, population: Population, reporter: Reporter) -> Traffic:
    """Count the requests of a population.

    Raises:
        NoPromptsError: the population has no request.
    """
    remembering = Remembering(reporter)
    with open_store(location) as store, store.read() as connection:
        counts = overview(connection, population, EXTRACTION_VERSION)
        refuse_a_population_without_requests(connection, counts, population)
        say_other_versions(counts.other_versions, remembering)
        first, last = times(connection, EXTRACTION_VERSION, population)
        by_field = {
            field: weights_by(connection, field, population, EXTRACTION_VERSION)
            for field in ("model_group", "team", "model")
        }
        return Traffic(
            population=population.to_json(),
            first=first,
            last=last,
            requests=counts.requests,
            weight=counts.weight,
            prompts=distinct_prompts(connection, population, EXTRACTION_VERSION),
            samples=len(counts.sample_ids),
            by_model_group=by_field["model_group"],
            by_team=by_field["team"],
            by_model=by_field["model"],
            remarks={
                **counts.excluded,
                "failures": counts.failures,
                "cache_hits": counts.cache_hits,
                **weights_without(connection, population, EXTRACTION_VERSION),
            },
            warnings=remembering.notes,
        )
