"""What the newest requests hold, for `routectl doctor`."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from routectl.records import Exclusion
from routectl.store.models import Request

NEWEST = 20_000
"""Requests that are looked at: what a log lacked once must not count for ever."""


@dataclass(frozen=True, slots=True)
class Newest:
    """Counts of rows."""

    requests: int
    without_text: int
    truncated: int
    redacted: int
    without_time: int
    without_conversation: int


def newest_requests(connection: Connection) -> Newest:
    """Of the requests that were imported last."""
    newest = (
        select(Request.exclusion, Request.time, Request.conversation_key)
        .order_by(Request.id.desc())
        .limit(NEWEST)
        .subquery()
    )
    reasons = (Exclusion.NO_TEXT, Exclusion.TRUNCATED, Exclusion.REDACTED)
    query = select(
        func.count(),
        *(func.count().filter(newest.c.exclusion == str(reason)) for reason in reasons),
        func.count().filter(newest.c.time.is_(None)),
        func.count().filter(newest.c.conversation_key.is_(None)),
    ).select_from(newest)
    return Newest(*(int(count) for count in connection.execute(query).one()))
