"""Battles: preference records, stored apart from the traffic and never part of it.

Their texts are rows of `prompts`, so that a text which both hold is scored once. What is traffic is
decided by `requests` alone, which no battle has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, distinct, func, select

from routectl.records import Battle, Population
from routectl.store import models
from routectl.store.dialects import among, insert_ignoring_conflicts
from routectl.store.models import Prompt, Request
from routectl.store.populations import population_filter
from routectl.store.prompts import prompt_ids

BATCH = 10_000
"""Battles written in one transaction."""


@dataclass(frozen=True, slots=True)
class NewBattle:
    """A battle to be stored."""

    battle: Battle
    source_id: str
    """Unique within its source."""
    annotator: str | None


def add_battles(connection: Connection, source: str, battles: Sequence[NewBattle]) -> int:
    """Store battles that are not there yet; returns how many were added.

    Args:
        battles: no two with one source id.
    """
    ids = [new.source_id for new in battles]
    stored = select(models.Battle.source_id).where(
        models.Battle.source == source, among(connection, models.Battle.source_id, ids)
    )
    stored_ids = set(connection.execute(stored).scalars())
    added = [new for new in battles if new.source_id not in stored_ids]
    if not added:
        return 0
    prompts = prompt_ids(connection, sorted({new.battle.prompt for new in added}))
    now = datetime.now(UTC)
    connection.execute(
        insert_ignoring_conflicts(connection, models.Battle),
        [
            {
                "source": source,
                "source_id": new.source_id,
                "prompt_id": prompts[new.battle.prompt],
                "model_a": new.battle.model_a,
                "model_b": new.battle.model_b,
                "winner": new.battle.winner,
                "annotator": new.annotator,
                "imported_at": now,
            }
            for new in added
        ],
    )
    return len(added)


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """Counts of one data set."""

    source: str
    battles: int
    prompts: int
    ties: int
    annotators: int
    first_imported_at: datetime
    last_imported_at: datetime


def count_by_source(connection: Connection) -> list[SourceCounts]:
    """Battles by data set, A to Z."""
    battle = models.Battle
    query = (
        select(
            battle.source,
            func.count(),
            func.count(distinct(battle.prompt_id)),
            func.count().filter(battle.winner == "tie"),
            func.count(distinct(battle.annotator)),
            func.min(battle.imported_at),
            func.max(battle.imported_at),
        )
        .group_by(battle.source)
        .order_by(battle.source)
    )
    return [SourceCounts(*row) for row in connection.execute(query)]


def count_by_pair(connection: Connection) -> dict[tuple[str, str, str, str], int]:
    """Battles by source, model a, model b and winner."""
    battle = models.Battle
    columns = (battle.source, battle.model_a, battle.model_b, battle.winner)
    query = select(*columns, func.count()).group_by(*columns)
    return {(a, b, c, d): count for a, b, c, d, count in connection.execute(query)}


class StoredBattle(NamedTuple):
    """A battle as it is stored, without its text."""

    id: int
    prompt: int
    model_a: str
    model_b: str
    winner: str
    annotator: str | None


def stored_battles(connection: Connection) -> Iterator[StoredBattle]:
    """All battles, as they came in."""
    battle = models.Battle
    columns = (
        battle.id,
        battle.prompt_id,
        battle.model_a,
        battle.model_b,
        battle.winner,
        battle.annotator,
    )
    rows = connection.execution_options(yield_per=BATCH).execute(
        select(*columns).order_by(battle.id)
    )
    return (StoredBattle(*row) for row in rows)


def battle_prompts(connection: Connection) -> dict[int, str]:
    """Texts of the battles' prompts by id; a prompt whose text was purged is not in it."""
    prompt_ids = select(models.Battle.prompt_id)
    query = select(Prompt.id, Prompt.text).where(
        Prompt.id.in_(prompt_ids), Prompt.text.is_not(None)
    )
    return {id: text for id, text in connection.execute(query.order_by(Prompt.id)) if text}


def traffic_weights(
    connection: Connection, population: Population, version: int
) -> dict[int, float]:
    """Requests of the population by prompt, of prompts whose text is there."""
    query = (
        select(Request.prompt_id, func.sum(Request.weight))
        .join(Prompt, Prompt.id == Request.prompt_id)
        .where(
            *population_filter(population),
            Request.extraction_version == version,
            Prompt.text.is_not(None),
        )
        .group_by(Request.prompt_id)
        .order_by(Request.prompt_id)
    )
    return {id: float(weight) for id, weight in connection.execute(query) if id is not None}
