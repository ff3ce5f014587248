"""Samples: what each import brought, and taking one out again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Index,
    MetaData,
    RowMapping,
    Select,
    Table,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from routectl.errors import StoreError
from routectl.store.evaluations import rows_of
from routectl.store.models import Battle, Evaluation, Id, Prompt, Request, Sample, Score

REMOVED_AT = "removed_at"
"""Key of a sample's `counts`: its row stays, because ids that calibrations name are not used again.
"""


@dataclass(frozen=True, slots=True)
class StoredSample:
    """A sample, and how many of its requests are stored."""

    id: int
    source: str
    """The files, as they were named."""
    source_kind: str
    population: dict[str, Any]
    sample_size: int | None
    seen: int
    kept: int
    requests: int
    """Rows that it brought and that are there now."""
    created_at: datetime
    finished_at: datetime | None
    removed_at: str | None


@dataclass(frozen=True, slots=True)
class Removal:
    """What goes with a sample."""

    sample: StoredSample
    requests: int
    prompts: int
    """Texts that nothing else refers to; their scores go, too."""
    evaluated: int
    """Texts that stay because an evaluation, which is immutable, refers to them."""


def samples(connection: Connection) -> list[StoredSample]:
    """All samples, newest first."""
    counted = select(Request.sample_id, func.count()).group_by(Request.sample_id)
    requests = {row[0]: row[1] for row in connection.execute(counted)}
    rows = connection.execute(select(Sample.__table__).order_by(Sample.id.desc())).mappings()
    return [_stored(row, requests.get(row["id"], 0)) for row in rows]


def sample(connection: Connection, sample_id: int) -> StoredSample:
    """A sample that was not removed; raises StoreError where there is none of this id."""
    query = select(Sample.__table__).where(Sample.id == sample_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise StoreError(
            f"no sample s{sample_id} in this database: `routectl samples list` has them"
        )
    if REMOVED_AT in row["counts"]:
        raise StoreError(f"sample s{sample_id} was removed at {row['counts'][REMOVED_AT]}")
    counted = select(func.count()).where(Request.sample_id == sample_id)
    return _stored(row, connection.execute(counted).scalar_one())


def _stored(row: RowMapping, requests: int) -> StoredSample:
    return StoredSample(
        id=row["id"],
        source=row["source"],
        source_kind=row["source_kind"],
        population=row["population"],
        sample_size=row["sample_size"],
        seen=row["seen"],
        kept=row["kept"],
        requests=requests,
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        removed_at=row["counts"].get(REMOVED_AT),
    )


def removal(connection: Connection, sample_id: int) -> Removal:
    """What `remove` would take out; raises as `sample`."""
    stored = sample(connection, sample_id)
    alone: set[int] = set(connection.execute(_prompts_alone(sample_id)).scalars())
    evaluated = alone & _evaluated(connection)
    return Removal(stored, stored.requests, len(alone - evaluated), len(evaluated))


def remove(connection: Connection, sample_id: int) -> Removal:
    """Take out a sample's requests, and the prompts and scores that nothing else refers to.

    Raises:
        StoreError: there is no such sample.
    """
    stored = sample(connection, sample_id)
    alone: set[int] = set(connection.execute(_prompts_alone(sample_id)).scalars())
    evaluated = alone & _evaluated(connection)
    connection.execute(delete(Request).where(Request.sample_id == sample_id))
    going = sorted(alone - evaluated)
    if going:
        _remove_prompts(connection, going)
    counts = connection.execute(select(Sample.counts).where(Sample.id == sample_id)).scalar_one()
    removed = {**counts, REMOVED_AT: datetime.now(UTC).isoformat(timespec="seconds")}
    connection.execute(
        update(Sample).where(Sample.id == sample_id).values(key=None, counts=removed)
    )
    return Removal(stored, stored.requests, len(going), len(evaluated))


def _prompts_alone(sample_id: int) -> Select[int]:
    """Ids of the prompts that only this sample's requests refer to."""
    others = exists().where(Request.prompt_id == Prompt.id, Request.sample_id != sample_id)
    # A list, and no second question of each prompt: SQLite would look for that one by sample, and
    # read the whole sample once for each prompt.
    own = select(Request.prompt_id).where(Request.sample_id == sample_id)
    battles = exists().where(Battle.prompt_id == Prompt.id)
    return select(Prompt.id).where(Prompt.id.in_(own), ~others, ~battles)


def _evaluated(connection: Connection) -> set[int]:
    evaluations = connection.execute(select(Evaluation.__table__)).mappings()
    return {prompt for row in evaluations for prompt in rows_of(Evaluation(**row)).prompts.tolist()}


def _remove_prompts(connection: Connection, ids: list[int]) -> None:
    chosen = Table("removed_prompts", MetaData(), Column("id", Id), prefixes=["TEMPORARY"])
    chosen.create(connection)
    connection.execute(insert(chosen), [{"id": prompt} for prompt in ids])
    # For each prompt that goes the database looks for scores of it, which have no index by prompt.
    # Of a table of its own, because the models' tables are what the schema has.
    scores = Table(Score.__tablename__, MetaData(), Column("prompt_id", Id))
    index = Index("ix_scores_prompt_id", scores.c.prompt_id)
    index.create(connection)
    in_chosen = select(chosen.c.id)
    connection.execute(delete(Score).where(Score.prompt_id.in_(in_chosen)))
    connection.execute(delete(Prompt).where(Prompt.id.in_(in_chosen)))
    index.drop(connection)
    chosen.drop(connection)
