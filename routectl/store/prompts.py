"""Prompts: distinct texts, wherever they came from.

A text may be a request's, a battle's and a benchmark's. Its scores are the same, so it is one row;
what is traffic is decided by `requests` alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from routectl.records import Population
from routectl.store.dialects import among, insert_rows
from routectl.store.models import Prompt, Request, Score
from routectl.store.populations import population_filter


def prompt_ids(connection: Connection, texts: Sequence[str]) -> dict[str, int]:
    """Ids of distinct texts, after adding those that are new."""
    digests = {hashlib.sha256(text.encode()).hexdigest(): text for text in texts}
    rows = [(digest, text, len(text)) for digest, text in digests.items()]
    insert_rows(connection, Prompt, ("digest", "text", "length"), rows)
    stored = select(Prompt.digest, Prompt.id).where(among(connection, Prompt.digest, list(digests)))
    return {digests[row.digest]: row.id for row in connection.execute(stored)}


@dataclass(frozen=True, slots=True)
class ScoredText:
    """A prompt with a router's score."""

    text: str
    win_rate: float


def nearest_texts(
    connection: Connection,
    router: int,
    population: Population,
    version: int,
    threshold: float,
    *,
    strong: bool,
    limit: int,
) -> list[ScoredText]:
    """The population's prompts whose scores are next to a threshold, nearest first.

    Args:
        router: id of the router that scored them.
        strong: of those that reach it; else of those below.
        limit: at most so many.
    """
    requested = select(Request.id).where(
        *population_filter(population),
        Request.extraction_version == version,
        Request.prompt_id == Score.prompt_id,
    )
    score = Score.win_rate
    query = (
        select(Prompt.text, score)
        .join(Prompt, Prompt.id == Score.prompt_id)
        .where(
            Score.router_id == router,
            score >= threshold if strong else score < threshold,
            Prompt.text.is_not(None),
            requested.exists(),
        )
        .order_by(score if strong else score.desc(), Prompt.id)
        .limit(limit)
    )
    rows = connection.execute(query)
    return [ScoredText(text, rate) for text, rate in rows if text is not None]
