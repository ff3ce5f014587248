"""OpenAI request bodies, one per line: Chat Completions, Responses and completions.

Facts of the format: docs/formats.md.
"""

from __future__ import annotations

from typing import Any

from routectl.extraction import BODY_KEYS
from routectl.request import TrafficRequest
from routectl.traffic.fields import mapping
from routectl.traffic.making import (
    EMBEDDING,
    body_in,
    facts_of,
    is_embedding,
    json_format,
    request_of,
)
from routectl.traffic.rows import Row, RowError, Skip

NAME = "openai"

_INSIDE = ("body", "request_body", "requestBody", "request", "req", "reqPayload", "payload")
"""Where loggers keep a body, next to what they know of the call."""


def is_body(value: dict[str, Any]) -> bool:
    """Tell whether an object is a request body, of Chat Completions or one of its relatives."""
    messages = value.get("messages")
    return (
        isinstance(messages, list)
        or (isinstance(messages, str) and messages.lstrip().startswith("["))
        or ("model" in value and ("input" in value or "prompt" in value))
    )


def _body_inside(value: dict[str, Any]) -> dict[str, Any] | None:
    """Return the body that an object is or that it holds."""
    if is_body(value):
        return value
    for key in _INSIDE:
        held = value.get(key)
        if held is not None:
            body = body_in(held)
            inner = body if is_body(dict(body)) else mapping(body.get("body"))
            if is_body(dict(inner)):
                return dict(inner)
    return None


def body_of(row: Row) -> dict[str, Any]:
    """Return the body that a row is; raises RowError."""
    value = row.value
    if not isinstance(value, dict):
        raise RowError("not a JSON object")
    body = _body_inside(value)
    if body is None and any(key in value for key in BODY_KEYS):
        body = value
    if body is None:
        raise RowError(f"not a request body: it has none of {', '.join(BODY_KEYS)}")
    return body


def own_id(value: dict[str, Any]) -> str | None:
    """Return an id that a logger added, which is a text: a number counts rows of one file."""
    for key in ("request_id", "id"):
        written = value.get(key)
        if isinstance(written, str) and written.strip():
            return written
    return None


def body_facts(row: Row, body: dict[str, Any]) -> dict[str, Any]:
    """Return what a body and the object around it say of the request."""
    value = mapping(row.value)
    records = [value] if body is value else [value, body]
    facts = facts_of(*records, row.around)
    facts["id"] = own_id(value) or own_id(body)
    return facts


def _request(row: Row) -> TrafficRequest | Skip:
    body = body_of(row)
    if "messages" not in body and is_embedding(body.get("model")):
        return EMBEDDING
    return request_of(row, NAME, body, body=body, **body_facts(row, body))


FORMAT = json_format(
    NAME,
    describe="OpenAI request body, JSON objects, one per line or in an array",
    holds=lambda value: _body_inside(value) is not None,
    request=_request,
)
