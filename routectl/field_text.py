"""A name or id of a log's field, or of what a log will hold: cleaned in one way everywhere."""

from __future__ import annotations

import hashlib

from routectl.extraction import clean

ABSENT = frozenset({"", "none", "null"})
"""Texts that logs write where they have no value (LiteLLM: the text "None"), in lower case."""

_LONGEST_ABSENT = max(map(len, ABSENT))

LONGEST = 512
"""Longest name or id, in characters: PostgreSQL indexes no entry above 2,704 bytes."""


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
