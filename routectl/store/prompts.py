"""Prompts: distinct texts, wherever they came from.

A text may be a request's, a battle's and a benchmark's. Its scores are the same, so it is one row;
what is traffic is decided by `requests` alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlalchemy import Connection, select

from routectl.store.dialects import among, insert_rows
from routectl.store.models import Prompt


def prompt_ids(connection: Connection, texts: Sequence[str]) -> dict[str, int]:
    """Ids of distinct texts, after adding those that are new."""
    digests = {hashlib.sha256(text.encode()).hexdigest(): text for text in texts}
    rows = [(digest, text, len(text)) for digest, text in digests.items()]
    insert_rows(connection, Prompt, ("digest", "text", "length"), rows)
    stored = select(Prompt.digest, Prompt.id).where(among(connection, Prompt.digest, list(digests)))
    return {digests[row.digest]: row.id for row in connection.execute(stored)}
