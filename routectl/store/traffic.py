"""Samples, prompts and requests: what an import brings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from routectl.records import TrafficRequest
from routectl.store.dialects import among, insert_rows
from routectl.store.models import Prompt, Request, Sample

BATCH = 10_000
"""Requests written in one transaction: of 1,000, each takes twice the time to write."""


@dataclass(slots=True)
class Written:
    """What became of a batch of requests; each is in one of the first four counts."""

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
    found = unfinished_sample(connection, key)
    if found is not None:
        return found
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


def add_requests(
    connection: Connection,
    sample_id: int,
    requests: Sequence[TrafficRequest],
    *,
    weight: float,
    extraction_version: int,
) -> Written:
    """Write requests so that the same ones written twice change nothing.

    A row that is already there is replaced when its extraction version is another, or when it
    failed and this attempt of the same request succeeded. Its weight falls to the smaller one:
    of two samples that both hold a request, the one that kept more of its traffic says how
    many requests it stands for.
    """
    written = Written()
    if not requests:
        return written
    digests = {
        text: hashlib.sha256(text.encode()).hexdigest()
        for text in {request.text: None for request in requests}
        if text is not None
    }
    prompt_ids = _add_prompts(connection, digests)
    attempt_keys = [_attempt_key(request, digests) for request in requests]
    known = _Known(connection, requests, attempt_keys)
    inserts: list[dict[str, Any]] = []
    updates: list[dict[str, Any]] = []
    for request, attempt_key in zip(requests, attempt_keys, strict=True):
        old = known.find(request, attempt_key)
        if old is None:
            row = _row(request, sample_id, prompt_ids, attempt_key, weight, extraction_version)
            inserts.append(row)
            known.remember(row)
            written.added += 1
            continue
        is_attempt = old["source_id"] != request.source_id
        written.attempts += is_attempt
        if old["extraction_version"] != extraction_version or (
            old["status"] == "failure" and request.status == "success"
        ):
            row = _row(request, sample_id, prompt_ids, attempt_key, weight, extraction_version)
            row["weight"] = min(weight, old["weight"])
            row["sample_id"] = old["sample_id"]
            updates.append(_change(old, row))
            known.replace(old, row)
        elif weight < old["weight"]:
            updates.append(_change(old, {"weight": weight}))
            known.replace(old, {"weight": weight})
        else:
            written.unchanged += not is_attempt
            continue
        written.updated += not is_attempt
    written.changed = len(inserts) + len(updates)
    if inserts:
        insert_rows(connection, Request, list(inserts[0]), [tuple(r.values()) for r in inserts])
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


class _Known:
    """The rows that a batch meets: those in the database and those of the batch itself."""

    def __init__(
        self,
        connection: Connection,
        requests: Sequence[TrafficRequest],
        attempt_keys: Sequence[str | None],
    ) -> None:
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
        for request in requests:
            ids.setdefault(request.source_kind, []).append(request.source_id)
        for kind, some in ids.items():
            look_up((Request.source_kind == kind) & among(connection, Request.source_id, some))
        keys = {key for key in attempt_keys if key is not None}
        if others := sorted(keys - self._by_attempt.keys()):
            look_up(among(connection, Request.attempt_key, others))

    def find(self, request: TrafficRequest, attempt_key: str | None) -> dict[str, Any] | None:
        found = self._by_id.get((request.source_kind, request.source_id))
        if found is None and attempt_key is not None:
            found = self._by_attempt.get(attempt_key)
        return found

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


def _add_prompts(connection: Connection, digests: Mapping[str, str]) -> dict[str, int]:
    """Ids of these texts by text, after adding those that are new."""
    insert_rows(
        connection,
        Prompt,
        ("digest", "text", "length"),
        [(digest, text, len(text)) for text, digest in digests.items()],
    )
    stored = select(Prompt.digest, Prompt.id).where(
        among(connection, Prompt.digest, list(digests.values()))
    )
    ids = {row.digest: row.id for row in connection.execute(stored).all()}
    return {text: ids[digest] for text, digest in digests.items()}


def _attempt_key(request: TrafficRequest, digests: Mapping[str, str]) -> str | None:
    """Attempts of one request share call id, prompt and model group; clients can set call ids,
    so the call id alone would merge what is not the same."""
    if request.call_id is None:
        return None
    prompt = "" if request.text is None else digests[request.text]
    # No part holds a NUL: readers replace it.
    parts = (request.source_kind, request.call_id, prompt, request.model_group or "")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@lru_cache(maxsize=1024)
def _tags(tags: tuple[str, ...]) -> str | None:
    """A log has few sets of tags, and many rows with each."""
    return json.dumps(tags) if tags else None


def conversation_key(conversation: str) -> int:
    """A number in [0, 2**63) for a conversation id."""
    digest = hashlib.blake2b(conversation.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _row(
    request: TrafficRequest,
    sample_id: int,
    prompt_ids: Mapping[str, int],
    attempt_key: str | None,
    weight: float,
    extraction_version: int,
) -> dict[str, Any]:
    return {
        "sample_id": sample_id,
        "source_kind": request.source_kind,
        "source_id": request.source_id,
        "attempt_key": attempt_key,
        "prompt_id": None if request.text is None else prompt_ids[request.text],
        "exclusion": None if request.exclusion is None else request.exclusion.value,
        "weight": weight,
        "extraction_version": extraction_version,
        "time": None if request.time is None else request.time.timestamp(),
        "model_group": request.model_group,
        "call_type": request.call_type,
        "status": request.status,
        "cache_hit": request.cache_hit,
        "team": request.team,
        "key_alias": request.key_alias,
        "end_user": request.end_user,
        "tags": _tags(request.tags),
        "conversation": request.conversation,
        "conversation_key": (
            None if request.conversation is None else conversation_key(request.conversation)
        ),
        "tokens_in": request.tokens_in,
        "tokens_out": request.tokens_out,
        "cost": request.cost,
        "proxy_decision": request.proxy_decision,
        "proxy_score": request.proxy_score,
        "proxy_fingerprint": request.proxy_fingerprint,
    }
