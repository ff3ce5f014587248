"""Request bodies of Anthropic's Messages API, one per line.

Facts of the format: docs/formats.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from routectl.request import TrafficRequest
from routectl.traffic.fields import mapping, name
from routectl.traffic.making import json_format, request_of
from routectl.traffic.openai import body_facts, body_of, is_body
from routectl.traffic.rows import Head, Row

NAME = "anthropic"

_OWN_FIELDS = frozenset({"system", "anthropic_version", "stop_sequences", "thinking"})
"""Fields of a body that Chat Completions does not have."""


def _is_marked(body: dict[str, Any]) -> bool:
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
    facts = body_facts(row, body)
    user = mapping(body.get("metadata")).get("user_id")
    facts["end_user"] = user if user is not None else facts["end_user"]
    return request_of(row, NAME, body, body=body, **facts)


FORMAT = replace(
    json_format(
        NAME,
        describe="Anthropic Messages request body, JSON objects, one per line or in an array",
        holds=_is_marked,
        request=_request,
    ),
    recognises=_is_anthropic,
)
