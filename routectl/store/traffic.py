"""Samples, prompts and requests: what an import brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from routectl.extraction import extract
from routectl.records import Exclusion
from routectl.request import FIRST_TIME, LAST_TIME
from routectl.store.batches import (
    CALL_PART,
    LEGACY_KEYS_BELOW,
    Batch,
    Columns,
    legacy_attempt_key,
)
from routectl.store.dialects import among, insert_columns, insert_rows
from routectl.store.models import Prompt, Request, Sample


@dataclass(slots=True)
class Written:
    """What became of a batch of requests; each is in one of the first four counts."""

    added: int = 0
    updated: int = 0
    """Was there, and got a smaller weight, a prompt, or the text of another extraction."""
    unchanged: int = 0
    """Was there."""
    attempts: int = 0
    """Another attempt at a request that was there; a success took the place of a failure."""
    changed: int = 0
    """Rows that were written: of each count above, those that made a difference."""
    reread: int = 0
    """Of `updated` and `attempts`: what another version of the extraction had read."""
    completed: int = 0
    """Of `updated` and `attempts`: what had no prompt and got one."""

    def __iadd__(self, other: Written) -> Written:
        self.added += other.added
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.attempts += other.attempts
        self.changed += other.changed
        self.reread += other.reread
        self.completed += other.completed
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
    unfinished = unfinished_sample(connection, key)
    if unfinished is not None:
        return unfinished
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


def newest_read(
    connection: Connection,
    *,
    source: str,
    population: Mapping[str, Any],
    sample_size: int | None,
    extraction_version: int,
) -> datetime | None:
    """The time of the newest request that finished imports with these options brought from a
    source; None where there were none."""
    samples = connection.execute(
        select(Sample.id, Sample.population).where(
            Sample.source == source,
            Sample.sample_size.is_(sample_size)
            if sample_size is None
            else Sample.sample_size == sample_size,
            Sample.extraction_version == extraction_version,
            Sample.finished_at.is_not(None),
        )
    ).all()
    ids = [id for id, stored in samples if stored == dict(population)]
    newest = connection.execute(
        select(func.max(Request.time)).where(
            Request.sample_id.in_(ids), Request.time.between(FIRST_TIME, LAST_TIME)
        )
    ).scalar()
    return None if newest is None else datetime.fromtimestamp(newest, UTC)


def routed_since(connection: Connection, *names: str) -> datetime | None:
    """When the first request came in whose log names a route, by one of its names, that decided
    it."""
    first = connection.execute(
        select(func.min(Request.time)).where(
            Request.proxy_route.in_(names), Request.time.between(FIRST_TIME, LAST_TIME)
        )
    ).scalar()
    return None if first is None else datetime.fromtimestamp(first, UTC)


# Built once: building a statement takes longer than running one of these.
_NEWEST = select(
    select(func.max(Prompt.id)).scalar_subquery(), select(func.max(Request.id)).scalar_subquery()
)
_ENDS = select(func.min(Prompt.id), func.max(Prompt.id)).where(Prompt.id > bindparam("newest"))


def add_requests(connection: Connection, sample_id: int, batch: Batch) -> Written:
    """Write requests so that the same ones written twice change nothing.

    A row that is already there is replaced when its extraction version is another, when it had no
    prompt and this one brings it, or when it failed and this attempt of the same request succeeded.
    Its weight falls to the smaller one: of two samples that both hold a request, the one that kept
    more of its traffic says how many requests it stands for.
    """
    written = Written()
    newest_prompt, newest = connection.execute(_NEWEST).one()
    prompt_ids = _add_prompts(connection, batch.prompts, newest_prompt or 0)
    # Keys of before are digests of more, so that a key tells only whether a row is new in a
    # database without any.
    has_legacy = connection.execute(_LEGACY).first() is not None

    def complete(columns: Columns) -> Columns:
        stored = dict(columns)
        stored["prompt_id"] = list(map(prompt_ids.get, columns["digest"]))
        stored["sample_id"] = [sample_id] * len(columns["digest"])
        return stored

    alone, met = complete(batch.alone), _rows(complete(batch.others))
    if has_legacy:
        met = _rows(alone) + met
    else:
        # Most traffic is new, and the insertion itself tells so: nothing is looked up first.
        columns = {name: values for name, values in alone.items() if name not in _NOT_STORED}
        written.added = written.changed = insert_columns(connection, Request, columns)
        if written.added < len(alone["sample_id"]):
            ids = select(Request.source_kind, Request.source_id).where(Request.id > (newest or 0))
            added = {(kind, id) for kind, id in connection.execute(ids).all()}
            refused = [r for r in _rows(alone) if (r["source_kind"], r["source_id"]) not in added]
            met = refused + met
    if met:
        written += _merge(connection, met)
    return written


_NOT_STORED = ("digest", "call_id")
_LEGACY = select(Request.id).where(Request.attempt_key < LEGACY_KEYS_BELOW).limit(1)


def _rows(columns: Columns) -> list[dict[str, Any]]:
    values = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in values]


def _merge(connection: Connection, rows: Sequence[dict[str, Any]]) -> Written:
    """Write rows that meet others: in the database, or among themselves."""
    written = Written()
    stored = _Stored(connection, rows)
    inserts: list[dict[str, Any]] = []
    updates: list[dict[str, Any]] = []
    for row in rows:
        old = stored.find(row)
        new = {name: value for name, value in row.items() if name not in _NOT_STORED}
        if old is None:
            inserts.append(new)
            stored.remember(row)
            written.added += 1
            continue
        is_attempt = old["source_id"] != new["source_id"]
        written.attempts += is_attempt
        if _is_better(connection, old, new):
            change = new | {"weight": min(new["weight"], old["weight"])}
            change["sample_id"] = old["sample_id"]
            if is_attempt:
                change |= _asked(old, new)
            if stored.is_held_by_another(old, change["attempt_key"]):
                # An id that a log uses twice: the key stays with the request that has it.
                change["attempt_key"] = old["attempt_key"]
            written.reread += old["extraction_version"] != new["extraction_version"]
            written.completed += old["prompt_id"] is None and new["prompt_id"] is not None
        else:
            change = _asked(new, old) if is_attempt else {}
            change = {name: value for name, value in change.items() if value != old[name]}
            if not is_attempt:
                # Of a row that is older than the column.
                newer = (name for name in _NEWER if old[name] is None and new[name] is not None)
                change |= {name: new[name] for name in newer}
            if new["weight"] < old["weight"]:
                change["weight"] = new["weight"]
        if not change:
            written.unchanged += not is_attempt
            continue
        updates.append(_change(old, change))
        stored.replace(old, change)
        written.updated += not is_attempt
    written.changed = len(inserts) + len(updates)
    if inserts:
        insert_rows(
            connection, Request, tuple(inserts[0]), [tuple(row.values()) for row in inserts]
        )
    for _, alike in groupby(updates, key=tuple):
        _update(connection, list(alike))
    return written


def _is_better(connection: Connection, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a row takes the place of the same request's, or of another attempt's."""
    if old["status"] == "failure" and new["status"] == "success":
        return True
    if old["status"] == "success" and new["status"] == "failure":
        return False
    if new["prompt_id"] is None and old["prompt_id"] is not None:
        # A log that has lost its prompts takes none away. Where it is the extraction that finds
        # no human text any more, it is right.
        return (
            old["extraction_version"] != new["extraction_version"]
            and new["exclusion"] == Exclusion.NO_TEXT
            and extract(_text_of(connection, old["prompt_id"])) is None
        )
    if old["prompt_id"] is None and new["prompt_id"] is not None:
        return True
    return bool(old["extraction_version"] != new["extraction_version"])


def _text_of(connection: Connection, prompt_id: int) -> str | None:
    return connection.execute(select(Prompt.text).where(Prompt.id == prompt_id)).scalar()


_NEWER = ("model", "proxy_would_be", "proxy_would_be_reason")
"""Columns that rows of before are without until they are read again."""
_OF_THE_FIRST = ("model_group", "proxy_route", "proxy_activation", "proxy_decision", "proxy_score")


def _asked(attempt: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """What another attempt knows better than the one that is kept: what the client asked for.

    That is the earlier attempt's model group; a fallback's is another one. Of attempts that begin
    at once the failed one came first. What the kept one has no value for, it gets of the other.
    """
    begun, kept_begun = attempt["time"], kept["time"]
    if begun is None or kept_begun is None or begun == kept_begun:
        is_first = attempt["status"] == "failure" and kept["status"] != "failure"
    else:
        is_first = begun < kept_begun
    of_both = {name: kept[name] for name in _OF_THE_FIRST}
    if is_first and attempt["model_group"] is not None:
        of_both["model_group"] = attempt["model_group"]
    for name in _OF_THE_FIRST:
        if of_both[name] is None:
            of_both[name] = attempt[name]
    if kept["model"] is None and of_both["model_group"] != kept["model_group"]:
        # It was the kept one's own group that answered.
        of_both["model"] = kept["model_group"]
    return of_both


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


_SAME_SECONDS = 1.0
"""Two rows with one id and times closer than that are one row, of exports of unlike precision."""


class _Stored:
    """The rows that a batch meets: those in the database and those of the batch itself."""

    def __init__(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        columns = (
            Request.source_kind,
            Request.source_id,
            Request.sample_id,
            Request.attempt_key,
            Request.prompt_id,
            Request.exclusion,
            Request.status,
            Request.weight,
            Request.time,
            Request.model_group,
            Request.model,
            Request.proxy_route,
            Request.proxy_activation,
            Request.proxy_decision,
            Request.proxy_score,
            Request.proxy_would_be,
            Request.proxy_would_be_reason,
            Request.extraction_version,
        )
        self._by_id: dict[tuple[str, str], dict[str, Any]] = {}
        self._by_attempt: dict[str, dict[str, Any]] = {}

        def look_up(condition: ColumnElement[bool]) -> None:
            for row in connection.execute(select(*columns).where(condition)).mappings().all():
                self.remember(dict(row))

        ids: dict[str, list[str]] = {}
        for row in rows:
            ids.setdefault(row["source_kind"], []).extend((row["source_id"], _own_id(row)))
        for kind, some in ids.items():
            look_up((Request.source_kind == kind) & among(connection, Request.source_id, some))
        both = (key for row in rows for key in (row["attempt_key"], _legacy_key(row)))
        keys: set[str] = {key for key in both if key is not None}
        if others := sorted(keys - self._by_attempt.keys()):
            look_up(among(connection, Request.attempt_key, others))

    def find(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """Return the row that is of the same request, if there is one.

        A row whose id is another request's, as where a provider uses ids again, gets an id of its
        own.
        """
        kind, key = row["source_kind"], row["attempt_key"]
        stored = self._by_attempt.get(key) if key is not None else None
        if stored is None:
            stored = self._by_id.get((kind, row["source_id"]))
            if stored is not None and _are_apart(stored, row):
                row["source_id"] = _own_id(row)
                stored = self._by_id.get((kind, row["source_id"]))
        elif self._is_of_another(stored, row):
            row["source_id"] = _own_id(row)
        legacy = _legacy_key(row)
        if stored is None and legacy is not None:
            stored = self._by_attempt.get(legacy)
        return stored

    def _is_of_another(self, stored: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
        """Whether another request than `stored` has the id of a row, which is an attempt at it."""
        holder = self._by_id.get((row["source_kind"], row["source_id"]))
        return holder is not None and _identity(holder) != _identity(stored)

    def is_held_by_another(self, old: Mapping[str, Any], attempt_key: str | None) -> bool:
        """Whether the key of attempts belongs to another request than `old`."""
        holder = None if attempt_key is None else self._by_attempt.get(attempt_key)
        return holder is not None and _identity(holder) != _identity(old)

    def remember(self, row: dict[str, Any]) -> None:
        if row["attempt_key"] is not None:
            row = self._by_attempt.setdefault(row["attempt_key"], row)
        self._by_id.setdefault((row["source_kind"], row["source_id"]), row)

    def replace(self, old: dict[str, Any], change: Mapping[str, Any]) -> None:
        # A row of this batch is inserted as it first came; its change follows as an update.
        new = {**old, **{name: change[name] for name in old if name in change}}
        self._by_id[old["source_kind"], old["source_id"]] = new
        self._by_id[new["source_kind"], new["source_id"]] = new
        if new["attempt_key"] is not None:
            self._by_attempt[new["attempt_key"]] = new


def _identity(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["source_kind"], row["source_id"]


def _own_id(row: Mapping[str, Any]) -> str:
    """An id that a row has where another request has its id already; the same in every import."""
    if row["attempt_key"] is not None:
        return f"{row['source_id']}~{row['attempt_key'][:CALL_PART]}"
    return f"{row['source_id']}~{(row['digest'] or '')[:CALL_PART]}~{row['time']}"


def _are_apart(stored: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether two rows with one id are of two requests."""
    key, new_key = stored["attempt_key"], row["attempt_key"]
    is_legacy = key is not None and key < LEGACY_KEYS_BELOW
    if key is not None and new_key is not None and not is_legacy:
        return bool(key[:CALL_PART] != new_key[:CALL_PART])
    times = (stored["time"], row["time"])
    at_one_time = None in times or abs(times[0] - times[1]) <= _SAME_SECONDS
    if stored["extraction_version"] != row["extraction_version"]:
        return not at_one_time
    prompts = (stored["prompt_id"], row["prompt_id"])
    return None not in prompts and prompts[0] != prompts[1] and not at_one_time


def _legacy_key(row: Mapping[str, Any]) -> str | None:
    if row["call_id"] is None:
        return None
    return legacy_attempt_key(row["source_kind"], row["call_id"], row["digest"], row["model_group"])


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
