"""Values of log fields, cleaned: every reader takes what it finds through these."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache

import orjson

from routectl.extraction import clean

ABSENT = frozenset({"", "none", "null"})
"""Texts that logs write where they have no value (LiteLLM: the text "None"), in lower case."""

_LONGEST_ABSENT = max(map(len, ABSENT))

LONGEST = 512
"""Longest name or id, in characters: PostgreSQL indexes no entry above 2,704 bytes."""

MAX_INTEGER = 2**63 - 1
"""What a database's integer column holds."""


def text(value: object) -> str | None:
    """Return a name or id; None where the log has none, never an empty text.

    Numbers become their digits. One that is longer than `LONGEST` is cut, and ends in a digest of
    what it was.
    """
    if not isinstance(value, str):
        if value is None or isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        try:
            value = str(value)
        except ValueError:  # an integer of more digits than Python writes
            return None
    plain = value.isascii() and "\0" not in value
    written = value.strip() if plain else clean(value).strip()
    if _LONGEST_ABSENT < len(written) <= LONGEST:
        return written
    if len(written) > LONGEST:
        digest = hashlib.sha256(written.encode()).hexdigest()[:32]
        return written[: LONGEST - len(digest) - 1] + "…" + digest
    return None if written.lower() in ABSENT else written


@lru_cache(maxsize=2**14)
def _known_name(value: str) -> str | None:
    return text(value)


def name(value: object) -> str | None:
    """Return what `text` does, quickly where many rows have the same: teams, models, tags."""
    # Only short ones are remembered, so that memory stays small.
    if type(value) is str and len(value) <= LONGEST:
        return _known_name(value)
    return text(value)


def names(value: object) -> tuple[str, ...]:
    """Return the distinct names of a list, in its order; quickly of a tuple of texts."""
    if type(value) is tuple:
        return _known_names(value)
    return _distinct(value) if isinstance(value, list) else ()


def _distinct(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(name, values))))


@lru_cache(maxsize=2**10)
def _known_names(values: tuple[str, ...]) -> tuple[str, ...]:
    return _distinct(values)


def number(value: object) -> float | None:
    """Return a finite number, which may have been written as text."""
    if type(value) is float and math.isfinite(value):
        return value
    if value is None or isinstance(value, bool) or not isinstance(value, (float, int, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def count(value: object) -> int | None:
    """Return a whole number that is not negative, such as of tokens."""
    if type(value) is int:
        return value if 0 <= value <= MAX_INTEGER else None
    found = number(value)
    return int(found) if found is not None and 0 <= found <= MAX_INTEGER else None


def flag(value: object) -> bool | None:
    """Return a truth value; LiteLLM writes `null`, `true`, or the texts "None" and "True"."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None


def mapping(value: object) -> dict[str, object]:
    """Return a JSON object; an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def decoded(value: object) -> object:
    """Return the JSON value that a text holds, or the value itself if it is no text or no JSON."""
    if not isinstance(value, str):
        return value
    with suppress(ValueError):
        return orjson.loads(value)
    with suppress(ValueError, RecursionError):
        return json.loads(value)
    return value


def time(value: object) -> datetime | None:
    """Return a log's time in UTC, or None where it is absent or makes no sense.

    Takes seconds, milliseconds, microseconds or nanoseconds since 1970 (told apart by size: read
    as seconds, the present is below 1e11 until the year 5138), as a number or as text, and ISO
    8601, with UTC for a text without a zone.
    """
    if type(value) is float and 0 < value < 1e11:
        return datetime.fromtimestamp(value, UTC)
    seconds = number(value)
    if seconds is None:
        return iso_time(value) if isinstance(value, str) else None
    for per_second in (1, 1e3, 1e6, 1e9):
        # 0 is what a log writes that has no time.
        if 0 < seconds / per_second < 1e11:
            return datetime.fromtimestamp(seconds / per_second, UTC)
    return None


def iso_time(written: str) -> datetime | None:
    """Return an ISO 8601 date or time in UTC (a date is its midnight); None if it is none."""
    try:
        found = datetime.fromisoformat(written.strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
