"""Samples, prompts and requests: what an import brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from routectl.store.batches import Batch, Columns
from routectl.store.dialects import among, insert_columns, insert_rows
from routectl.store.models import Prompt, Request, Sample


@dataclass(slots=True)
class Written:
    """Counts of a batch that was written; each request is in one of the first four."""

    added: int = 0
    updated: int = 0
    """Was there, and got a smaller weight or the text of a newer extraction."""
    unchanged: int = 0
    """Was there."""
    attempts: int = 0
    """Another attempt at a request that was there; a success took the place of a failure."""
    changed: int = 0
    """Rows that were written: of each count above, those that made a difference."""

    def __iadd__(self, other: Written) -> Written:
        self.added += other.added
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.attempts += other.attempts
        self.changed += other.changed
        return self


def begin_sample(
    connection: Connection,
    *,
    key: str,
    source: str,
    source_kind: str,
    population: Mapping[str, Any],
    sample_size: int | None,
    extraction_version: int,
) -> int:
    """The id of the unfinished sample with this key, made when there is none."""
    sample_id = unfinished_sample(connection, key)
    if sample_id is not None:
        return sample_id
    row = insert(Sample).values(
        key=key,
        source=source,
        source_kind=source_kind,
        population=dict(population),
        sample_size=sample_size,
        seen=0,
        kept=0,
        counts={},
        extraction_version=extraction_version,
        created_at=datetime.now(UTC),
    )
    return int(connection.execute(row.returning(Sample.id)).scalar_one())


def unfinished_sample(connection: Connection, key: str) -> int | None:
    """The id of the sample that a stopped import with this key left, if any."""
    return connection.execute(select(Sample.id).where(Sample.key == key)).scalar()


def finish_sample(
    connection: Connection, sample_id: int, *, seen: int, kept: int, counts: Mapping[str, Any]
) -> None:
    """Set what the import counted, and that it is done."""
    connection.execute(
        update(Sample)
        .where(Sample.id == sample_id)
        .values(key=None, seen=seen, kept=kept, counts=dict(counts), finished_at=datetime.now(UTC))
    )


# Built once: building a statement takes longer than running one of these.
_NEWEST = select(
    select(func.max(Prompt.id)).scalar_subquery(), select(func.max(Request.id)).scalar_subquery()
)
_ENDS = select(func.min(Prompt.id), func.max(Prompt.id)).where(Prompt.id > bindparam("newest"))


def add_requests(connection: Connection, sample_id: int, batch: Batch) -> Written:
    """Write requests so that the same ones written twice change nothing.

    A row that is already there is replaced when its extraction version is another, or when it
    failed and this attempt of the same request succeeded. Its weight falls to the smaller one:
    of two samples that both hold a request, the one that kept more of its traffic says how
    many requests it stands for.
    """
    written = Written()
    newest_prompt, newest = connection.execute(_NEWEST).one()
    prompt_ids = _add_prompts(connection, batch.prompts, newest_prompt or 0)

    def complete(columns: Columns) -> Columns:
        full = dict(columns)
        digests = full.pop("digest")
        full["prompt_id"] = list(map(prompt_ids.get, digests))
        full["sample_id"] = [sample_id] * len(digests)
        return full

    # Most traffic is new, and the insertion itself tells so: nothing is looked up first.
    alone = complete(batch.alone)
    written.added = written.changed = insert_columns(connection, Request, alone)
    colliding = _rows(complete(batch.others))
    if written.added < len(alone["sample_id"]):
        ids = select(Request.source_kind, Request.source_id).where(Request.id > (newest or 0))
        added = {(kind, id) for kind, id in connection.execute(ids).all()}
        refused = [r for r in _rows(alone) if (r["source_kind"], r["source_id"]) not in added]
        colliding = refused + colliding
    if colliding:
        written += _merge(connection, colliding)
    return written


def _rows(columns: Columns) -> list[dict[str, Any]]:
    values = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in values]


def _merge(connection: Connection, rows: Sequence[dict[str, Any]]) -> Written:
    """Write rows of which some are there already: in the database, or twice among themselves."""
    written = Written()
    existing = _ExistingRows(connection, rows)
    inserts: list[dict[str, Any]] = []
    updates: list[dict[str, Any]] = []
    for row in rows:
        old = existing.find(row)
        if old is None:
            inserts.append(row)
            existing.remember(row)
            written.added += 1
            continue
        is_attempt = old["source_id"] != row["source_id"]
        written.attempts += is_attempt
        if old["extraction_version"] != row["extraction_version"] or (
            old["status"] == "failure" and row["status"] == "success"
        ):
            weight = min(row["weight"], old["weight"])
            new = {**row, "weight": weight, "sample_id": old["sample_id"]}
            if existing.is_held_by_another(old, new["attempt_key"]):
                # An id that a log uses twice: the key stays with the request that has it.
                new["attempt_key"] = old["attempt_key"]
            updates.append(_change(old, new))
            existing.replace(old, new)
        elif row["weight"] < old["weight"]:
            updates.append(_change(old, {"weight": row["weight"]}))
            existing.replace(old, {"weight": row["weight"]})
        else:
            written.unchanged += not is_attempt
            continue
        written.updated += not is_attempt
    written.changed = len(inserts) + len(updates)
    if inserts:
        insert_rows(
            connection, Request, tuple(inserts[0]), [tuple(row.values()) for row in inserts]
        )
    for _, alike in groupby(updates, key=tuple):
        _update(connection, list(alike))
    return written


def _update(connection: Connection, changes: Sequence[Mapping[str, Any]]) -> None:
    """Carry out changes of the same columns, in their order."""
    names = [name for name in changes[0] if name.startswith("new_")]
    connection.execute(
        update(Request)
        .where(
            Request.source_kind == bindparam("old_kind"),
            Request.source_id == bindparam("old_id"),
        )
        .values({name.removeprefix("new_"): bindparam(name) for name in names}),
        changes,
    )


def _change(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of an update: which row, and its new values."""
    row = {"old_kind": old["source_kind"], "old_id": old["source_id"]}
    return row | {f"new_{name}": value for name, value in new.items()}


class _ExistingRows:
    """The rows that a batch may collide with: those in the database and those of the batch."""

    def __init__(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        columns = (
            Request.source_kind,
            Request.source_id,
            Request.sample_id,
            Request.attempt_key,
            Request.status,
            Request.weight,
            Request.extraction_version,
        )
        self._by_id: dict[tuple[str, str], dict[str, Any]] = {}
        self._by_attempt: dict[str, dict[str, Any]] = {}

        def look_up(condition: ColumnElement[bool]) -> None:
            for row in connection.execute(select(*columns).where(condition)).mappings().all():
                self.remember(dict(row))

        ids: dict[str, list[str]] = {}
        for row in rows:
            ids.setdefault(row["source_kind"], []).append(row["source_id"])
        for kind, source_ids in ids.items():
            look_up(
                (Request.source_kind == kind) & among(connection, Request.source_id, source_ids)
            )
        keys = {row["attempt_key"] for row in rows} - {None}
        if others := sorted(keys - self._by_attempt.keys()):
            look_up(among(connection, Request.attempt_key, others))

    def find(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        existing = self._by_id.get((row["source_kind"], row["source_id"]))
        if existing is None and row["attempt_key"] is not None:
            existing = self._by_attempt.get(row["attempt_key"])
        return existing

    def is_held_by_another(self, old: Mapping[str, Any], attempt_key: str | None) -> bool:
        """Whether the key of attempts belongs to another request than `old`."""
        holder = None if attempt_key is None else self._by_attempt.get(attempt_key)
        names = ("source_kind", "source_id")
        return holder is not None and any(holder[name] != old[name] for name in names)

    def remember(self, row: dict[str, Any]) -> None:
        if row["attempt_key"] is not None:
            row = self._by_attempt.setdefault(row["attempt_key"], row)
        self._by_id.setdefault((row["source_kind"], row["source_id"]), row)

    def replace(self, old: dict[str, Any], row: Mapping[str, Any]) -> None:
        # A row of this batch is inserted as it first came; its change follows as an update.
        new = {**old, **{name: row[name] for name in old if name in row}}
        self._by_id[old["source_kind"], old["source_id"]] = new
        self._by_id[new["source_kind"], new["source_id"]] = new
        if new["attempt_key"] is not None:
            self._by_attempt[new["attempt_key"]] = new


def _add_prompts(connection: Connection, prompts: Columns, newest: int) -> Mapping[str, int]:
    """Ids of these prompts by digest, after adding those that are new, with ids above `newest`."""
    digests = prompts["digest"]
    added = insert_columns(connection, Prompt, prompts)
    if added == len(digests):
        # All are new, and the only writer's ids rise by one.
        first, last = connection.execute(_ENDS, {"newest": newest}).one()
        if digests and last - first + 1 == added:
            return dict(zip(digests, range(first, last + 1), strict=True))
    stored = select(Prompt.digest, Prompt.id).where(among(connection, Prompt.digest, digests))
    return {row.digest: row.id for row in connection.execute(stored).all()}
