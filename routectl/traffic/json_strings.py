"""JSON strings: one prompt per line, in quotes, so that a prompt can hold line breaks.

Facts of the format: docs/formats.md.
"""

from __future__ import annotations

from routectl.extraction import extract
from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic.rows import Format, Head, Row, RowError, json_rows, parse_json

NAME = "json-strings"


def _is_strings(head: Head) -> bool:
    try:
        return all(isinstance(parse_json(raw), str) for raw in head.rows)
    except ValueError:
        return False


def _request(row: Row) -> TrafficRequest:
    if not isinstance(row.value, str):
        raise RowError("not a JSON string")
    prompt = extract(row.value)
    return TrafficRequest(
        source_kind=NAME,
        source_id=row.content_id(),
        text=prompt,
        exclusion=Exclusion.NO_TEXT if prompt is None else None,
    )


FORMAT = Format(
    name=NAME,
    describe="one prompt per line, each a JSON string",
    recognises=_is_strings,
    rows=json_rows,
    request=_request,
)
