"""CSV with a header: one request per record, its columns under any of their usual names.

Facts of the format: docs/formats.md.
"""

from __future__ import annotations

from routectl.request import TrafficRequest
from routectl.traffic.fields import Named, mapping
from routectl.traffic.making import FACTS, facts_of, request_of
from routectl.traffic.rows import Format, Head, Row
from routectl.traffic.tables import cells_of_header, header, headline, is_markdown, table_rows

NAME = "csv"

PROMPTS = ("prompt", "text", "content", "query", "question", "input", "messages")
"""Names of the column of prompts; the first that a record fills counts."""

COLUMNS: dict[str, tuple[str, ...]] = {"prompt": PROMPTS, **FACTS}
"""For each field, the names of its column in plain spelling; the first that is filled counts."""


def _is_csv(head: Head) -> bool:
    if is_markdown(head):
        return False
    columns = header(headline(head.rows))
    # A line of one word may be a prompt.
    return columns == ["prompt"] or (len(columns) > 1 and not set(PROMPTS).isdisjoint(columns))


def _request(row: Row) -> TrafficRequest:
    record = mapping(row.value)
    return request_of(row, NAME, Named(record).get(*PROMPTS), **facts_of(record))


FORMAT = Format(
    name=NAME,
    describe="CSV with a header that has a column `prompt` or `text`",
    recognises=_is_csv,
    rows=table_rows,
    request=_request,
)


def columns_without_prompt(head: Head) -> list[str] | None:
    """Return the columns of a table that has none of prompts; None of what is no table."""
    columns = cells_of_header(head.rows)
    facts = {name for names in FACTS.values() for name in names}
    named = Named(dict.fromkeys(columns, 1))
    is_table = len(columns) > 1 and named.get(*facts) is not None
    return columns if is_table else None
