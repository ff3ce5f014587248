"""Populations: the requests that a question is about, as SQL conditions and as counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from routectl.records import Condition, Exclusion, Population
from routectl.store.models import Request, Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def population_filter(population: Population) -> list[ColumnElement[bool]]:
    """The population as SQL conditions, with the meaning that `traffic.matches` has."""
    alternatives: dict[str, list[ColumnElement[bool]]] = {}
    clauses: list[ColumnElement[bool]] = []
    for condition in population.where:
        equals = _equals(condition)
        if condition.operator == "=":
            alternatives.setdefault(condition.field, []).append(equals)
        else:
            # What is not known does not equal anything, so it passes.
            clauses.append(~func.coalesce(equals, False))
    clauses += [or_(*choices) for choices in alternatives.values()]
    if population.since is not None:
        clauses.append(Request.time >= population.since.timestamp())
    if population.until is not None:
        clauses.append(Request.time < population.until.timestamp())
    if population.routed is not None:
        before = Request.time < population.routed.since.timestamp()
        clauses.append(or_(before, Request.proxy_route.in_(population.routed.names)))
    return clauses


def _equals(condition: Condition) -> ColumnElement[bool]:
    if condition.field == "tag":
        # `tags` is a JSON array: an element is in it iff its JSON text is, quotes and all.
        # LIKE would ignore case on SQLite; this spelling means the same everywhere.
        without = func.replace(Request.tags, json.dumps(condition.value), "")
        return func.length(without) < func.length(Request.tags)
    if condition.field == "cache_hit":
        return Request.cache_hit.is_(condition.value == "true")
    column: ColumnElement[str] = getattr(Request, condition.field)
    return column == condition.value


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts of a population, whatever the router."""

    requests: int
    """Rows, of the current extraction version."""
    weight: float
    with_prompt: int
    """Rows that have a prompt."""
    excluded: dict[str, float]
    """Weight by reason of exclusion."""
    other_versions: int
    """Rows that another version of the text extraction wrote; they count nowhere else here."""
    model_groups: dict[str | None, float]
    """Weight by model group."""
    failures: float
    cache_hits: float
    sample_ids: list[int]


def overview(connection: Connection, population: Population, version: int) -> Overview:
    """Count a population."""
    chosen = population_filter(population)
    where = [*chosen, Request.extraction_version == version]
    # Most populations are of one model group: that of any row, then, and no need to look further.
    group = connection.execute(select(Request.model_group).where(*where).limit(1)).scalar()

    def weight(*conditions: ColumnElement[bool]) -> ColumnElement[Any]:
        return func.coalesce(func.sum(Request.weight).filter(*conditions), 0.0)

    # One scan for what is one number each: grouping by all of it would sort a million rows.
    requests, total, with_prompt, failures, cache_hits, in_other_groups = connection.execute(
        select(
            func.count(),
            func.coalesce(func.sum(Request.weight), 0.0),
            func.count(Request.prompt_id),
            weight(Request.status == "failure"),
            weight(Request.cache_hit.is_(True)),
            func.count().filter(Request.model_group.is_distinct_from(group)),
        ).where(*where)
    ).one()
    groups = _by_model_group(connection, where) if in_other_groups else {group: float(total)}
    everything = connection.execute(select(func.count()).select_from(Request).where(*chosen))
    # A table of few rows asks an index, instead of a million rows for theirs.
    sample_requests = select(Request.id).where(*where, Request.sample_id == Sample.id)
    samples = select(Sample.id).where(sample_requests.exists()).order_by(Sample.id)
    return Overview(
        requests=requests,
        weight=total,
        with_prompt=with_prompt,
        excluded=_excluded(connection, where) if with_prompt < requests else {},
        other_versions=everything.scalar_one() - requests,
        model_groups=groups if requests else {},
        failures=failures,
        cache_hits=cache_hits,
        sample_ids=list(connection.execute(samples).scalars()),
    )


@dataclass(frozen=True, slots=True)
class AnsweredBy:
    """Requests of a population that one model answered."""

    model: str | None
    """As the log names it; None where it only knows the group."""
    decided: str | None
    """The model that the proxy's router named."""
    model_group: str | None
    weight: float


def answered_by(
    connection: Connection, population: Population, version: int, *, newest: int
) -> list[AnsweredBy]:
    """The models that answered a population's newest requests, the most used first.

    Args:
        newest: how many requests to look at. The models that answer change seldom, and grouping a
            million rows takes as long as a calibration.
    """
    requests = (
        select(Request.model, Request.proxy_model, Request.model_group, Request.weight)
        .where(*population_filter(population), Request.extraction_version == version)
        .order_by(Request.id.desc())
        .limit(newest)
        .subquery()
    )
    names = (requests.c.model, requests.c.proxy_model, requests.c.model_group)
    weight = func.sum(requests.c.weight)
    rows = connection.execute(select(*names, weight).group_by(*names))
    return sorted((AnsweredBy(*row) for row in rows), key=lambda answered: -answered.weight)


def values_of(connection: Connection, field: str, version: int) -> list[tuple[str, float]]:
    """The values that requests have of a filter's field, and the weight of each, largest first.

    Args:
        field: one of `FILTER_FIELDS`.
    """
    column, weight = getattr(Request, "tags" if field == "tag" else field), func.sum(Request.weight)
    query = (
        select(column, weight)
        .where(column.is_not(None), Request.extraction_version == version)
        .group_by(column)
    )
    weights: dict[str, float] = {}
    for stored, total in connection.execute(query):
        if field == "tag":
            values = [str(tag) for tag in json.loads(stored)]
        else:
            values = [str(stored).lower() if isinstance(stored, bool) else str(stored)]
        for value in values:
            weights[value] = weights.get(value, 0.0) + float(total)
    return sorted(weights.items(), key=lambda item: (-item[1], item[0]))


def weights_by(
    connection: Connection, field: str, population: Population, version: int
) -> dict[str | None, float]:
    """Weight of a population's requests by the value of a column, the largest first."""
    column: ColumnElement[Any] = getattr(Request, field)
    if field == "model":
        # The log's model where it is not the group, then what the proxy's router named.
        column = func.coalesce(Request.model, Request.proxy_model, Request.model_group)
    query = (
        select(column, func.sum(Request.weight))
        .where(*population_filter(population), Request.extraction_version == version)
        .group_by(column)
    )
    weights = [(value, float(total)) for value, total in connection.execute(query)]
    return dict(sorted(weights, key=lambda item: (-item[1], item[0] or "")))


def requests_by(
    connection: Connection, field: str, population: Population, version: int
) -> dict[str | None, int]:
    """How many of a population's requests that have a prompt have each value of a column, the most
    first; None: those without a value."""
    column: ColumnElement[Any] = getattr(Request, field)
    query = (
        select(column, func.count())
        .where(
            *population_filter(population),
            Request.extraction_version == version,
            Request.prompt_id.is_not(None),
        )
        .group_by(column)
    )
    counts = [(value, int(count)) for value, count in connection.execute(query)]
    return dict(sorted(counts, key=lambda item: (-item[1], item[0] or "")))


def weights_without(
    connection: Connection, population: Population, version: int
) -> dict[str, float]:
    """Weight of a population's requests without a time, a conversation, or tokens."""
    columns = {
        "without_time": Request.time,
        "without_conversation": Request.conversation_key,
        "without_tokens": Request.tokens_in,
    }
    weights = [func.sum(Request.weight).filter(c.is_(None)) for c in columns.values()]
    query = select(*weights).where(
        *population_filter(population), Request.extraction_version == version
    )
    row = connection.execute(query).one()
    return {name: float(weight or 0.0) for name, weight in zip(columns, row, strict=True)}


def distinct_prompts(connection: Connection, population: Population, version: int) -> int:
    """How many distinct texts a population has."""
    query = select(func.count(Request.prompt_id.distinct())).where(
        *population_filter(population), Request.extraction_version == version
    )
    return int(connection.execute(query).scalar_one())


def times(
    connection: Connection,
    version: int,
    population: Population = Population(),  # noqa: B008 - frozen
) -> tuple[datetime | None, datetime | None]:
    """The first and the last time of a population's requests; None where none has a time."""
    query = select(func.min(Request.time), func.max(Request.time)).where(
        *population_filter(population), Request.extraction_version == version
    )
    first, last = connection.execute(query).one()
    if first is None or last is None:
        return None, None
    return datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC)


def first_times(
    connection: Connection, version: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The conversations of all imported requests, ascending by number, and when each begins: its
    first request that has a human text, whether the log kept the text or not.

    Returns:
        Shape (conversations,) each; seconds since 1970.
    """
    import numpy as np

    query = (
        select(Request.conversation_key, func.min(Request.time))
        .where(
            Request.conversation_key.is_not(None),
            Request.time.is_not(None),
            Request.extraction_version == version,
            Request.exclusion.is_distinct_from(Exclusion.NO_TEXT.value),
        )
        .group_by(Request.conversation_key)
        .order_by(Request.conversation_key)
    )
    rows = connection.execute(query).all()
    numbers = np.array([number for number, _ in rows], dtype=np.int64)
    return numbers, np.array([begun for _, begun in rows], dtype=np.float64)


def requests_by_version(
    connection: Connection, population: Population, version: int
) -> tuple[int, int]:
    """The population's requests that this version of the text extraction wrote, and the others."""
    of_version = func.count().filter(Request.extraction_version == version)
    query = select(of_version, func.count()).where(*population_filter(population))
    current, everything = connection.execute(query).one()
    return current, everything - current


def _excluded(connection: Connection, where: Sequence[ColumnElement[bool]]) -> dict[str, float]:
    """Weight by reason of exclusion, of the few requests that have no prompt."""
    query = (
        select(Request.exclusion, func.sum(Request.weight))
        .where(*where, Request.prompt_id.is_(None))
        .group_by(Request.exclusion)
    )
    weights = {reason: float(total) for reason, total in connection.execute(query)}
    return {reason.value: weights[reason.value] for reason in Exclusion if reason.value in weights}


_FEW = 10


def _by_model_group(
    connection: Connection, where: Sequence[ColumnElement[bool]]
) -> dict[str | None, float]:
    """Weight by model group."""
    column, weight = Request.model_group, func.sum(Request.weight)
    values = list(connection.execute(select(column).where(*where).distinct()).scalars())
    if len(values) > _FEW:
        grouped = connection.execute(select(column, weight).where(*where).group_by(column)).all()
        return {value: float(total) for value, total in grouped}
    # For few values a sum of each takes a third of the time that grouping a million rows takes.
    sums = (weight.filter(column.is_not_distinct_from(value)) for value in values)
    return dict(zip(values, connection.execute(select(*sums).where(*where)).one(), strict=True))
