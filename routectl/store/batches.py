"""Requests -> columns of the database: all of an import that needs no database."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from struct import Struct
from typing import Any

from msgspec.structs import astuple

from routectl.request import TrafficRequest

Columns = dict[str, list[Any]]
"""Rows of a table, column by column: what many rows need of Python is then done in C."""


@dataclass(slots=True)
class Batch:
    """Requests as rows of the database, except for what only the database knows."""

    source_kind: str
    """Of the first request."""
    prompts: Columns
    """The distinct prompts."""
    alone: Columns
    """Rows that share neither source id nor attempt key with another of the batch. In place of
    the prompt's id, which only the database knows, they have its "digest"; they also have
    the log's "call_id", which no table has."""
    others: Columns
    """All other rows, in their order, likewise; they may be none."""


def prepare(requests: Sequence[TrafficRequest], *, weight: float, extraction_version: int) -> Batch:
    """Make columns of requests, of which there is at least one."""
    values = zip(*map(astuple, requests), strict=True)
    fields = zip(TrafficRequest.__struct_fields__, values, strict=True)
    columns: Columns = {name: list(column) for name, column in fields}
    texts = columns.pop("text")
    digests = {text: _sha256(text) for text in dict.fromkeys(texts) if text is not None}
    columns["digest"] = list(map(digests.get, texts))
    columns["attempt_key"] = [
        attempt_key(request, digests.get(request.text)) for request in requests
    ]
    columns["exclusion"] = [reason and reason.value for reason in columns["exclusion"]]
    columns["time"] = [time and time.timestamp() for time in columns["time"]]
    columns["tags"] = list(map(_tags, columns["tags"]))
    columns["weight"] = [weight] * len(requests)
    columns["extraction_version"] = [extraction_version] * len(requests)
    conversations = columns["conversation"]
    keys = {id: conversation_key(id) for id in dict.fromkeys(conversations) if id is not None}
    columns["conversation_key"] = list(map(keys.get, conversations))
    alone, others = _apart(columns)
    prompts: Columns = {
        "digest": list(digests.values()),
        "text": list(digests),
        "length": list(map(len, digests)),
    }
    return Batch(requests[0].source_kind, prompts, alone, others)


def _apart(columns: Columns) -> tuple[Columns, Columns]:
    """Take apart the rows that share nothing with another, and those that do."""
    ids = columns["source_id"]
    keys = [key for key in columns["attempt_key"] if key is not None]
    if len(set(ids)) == len(ids) and len(set(keys)) == len(keys):
        return columns, {name: [] for name in columns}
    named = list(zip(columns["source_kind"], ids, strict=True))
    having_id, having_key = Counter(named), Counter(keys)
    shares = [
        having_id[id] > 1 or having_key[key] > 1
        for id, key in zip(named, columns["attempt_key"], strict=True)
    ]
    alone = {
        name: list(compress(column, (not s for s in shares))) for name, column in columns.items()
    }
    return alone, {name: list(compress(column, shares)) for name, column in columns.items()}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


CALL_PART = 32
"""Characters of an attempt key that tell the call; those that follow tell the prompt."""
LEGACY_KEYS_BELOW = "g"
"""Attempt keys of schema 0004 and before are all hexadecimal digits, and so below this text."""


def attempt_key(request: TrafficRequest, digest: str | None) -> str | None:
    """Attempts of one request share call id and prompt, whatever model group a fallback gave
    them; clients can set call ids, so the call id alone would merge what is not the same."""
    if request.call_id is None:
        return None
    return f"{call_part(request.source_kind, request.call_id)}{(digest or _NO_PROMPT)[:CALL_PART]}"


def call_part(source_kind: str, call_id: str) -> str:
    """The part of an attempt key that all attempts with one call id share."""
    # No part holds a NUL: readers replace it.
    call = _sha256(f"{source_kind}\0{call_id}")
    return f"k{call[: CALL_PART - 1]}"


_NO_PROMPT = "0" * 64


def legacy_attempt_key(
    source_kind: str, call_id: str, digest: str | None, model_group: str | None
) -> str:
    """The attempt key that versions before schema 0005 made."""
    return _sha256(f"{source_kind}\0{call_id}\0{digest or ''}\0{model_group or ''}")


@lru_cache(maxsize=1024)
def _tags(tags: tuple[str, ...]) -> str | None:
    """A log has few sets of tags, and many rows with each."""
    return json.dumps(tags) if tags else None


_EMPTY = hashlib.blake2b(digest_size=8)
_number = Struct(">Q").unpack


def conversation_key(conversation: str) -> int:
    """A number in [0, 2**63) for a conversation id."""
    hash = _EMPTY.copy()  # in half the time that a new one takes
    hash.update(conversation.encode())
    key: int = _number(hash.digest())[0] >> 1
    return key
