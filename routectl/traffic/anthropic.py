"""Request bodies of Anthropic's Messages API, one per line.

Facts of the format: docs/formats.md.
"""

from __future__ import annotations

from routectl.extraction import extract
from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic.fields import mapping, name
from routectl.traffic.openai import body_of, is_body, own_id
from routectl.traffic.rows import Format, Head, Row, json_rows

NAME = "anthropic"

_OWN_FIELDS = frozenset({"system", "anthropic_version", "stop_sequences", "thinking"})
"""Fields of a body that Chat Completions does not have."""


def _is_marked(body: dict[str, object]) -> bool:
    if not isinstance(body.get("messages"), list):
        return False
    claude = "max_tokens" in body and "claude" in (name(body.get("model")) or "").lower()
    return claude or not _OWN_FIELDS.isdisjoint(body)


def _is_anthropic(head: Head) -> bool:
    # The first body decides: what is appended to a log must not change the kind of its rows.
    bodies = (value for value in head.objects if is_body(value))
    return head.mostly(is_body) and _is_marked(next(bodies))


def _request(row: Row) -> TrafficRequest:
    body = body_of(row)
    prompt = extract(body)
    return TrafficRequest(
        source_kind=NAME,
        source_id=own_id(body) or row.content_id(),
        text=prompt,
        exclusion=Exclusion.NO_TEXT if prompt is None else None,
        model_group=name(body.get("model")),
        end_user=name(mapping(body.get("metadata")).get("user_id")),
    )


FORMAT = Format(
    name=NAME,
    describe="Anthropic Messages request body, JSON objects, one per line or in an array",
    recognises=_is_anthropic,
    rows=json_rows,
    request=_request,
)
