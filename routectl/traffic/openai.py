"""OpenAI request bodies, one per line: Chat Completions, and Responses and completions beside it.

Facts of the format: docs/formats.md.
"""

from __future__ import annotations

from routectl.extraction import BODY_KEYS, extract
from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic.fields import name, text
from routectl.traffic.rows import Format, Row, RowError, Skip, json_rows

NAME = "openai"


def is_body(value: dict[str, object]) -> bool:
    """Tell whether an object is a request body, of Chat Completions or one of its relatives."""
    return isinstance(value.get("messages"), list) or (
        "model" in value and ("input" in value or "prompt" in value)
    )


def body_of(row: Row) -> dict[str, object]:
    """Return the body that a row is; raises RowError."""
    body = row.value
    if not isinstance(body, dict):
        raise RowError("not a JSON object")
    if not any(key in body for key in BODY_KEYS):
        raise RowError(f"not a request body: it has none of {', '.join(BODY_KEYS)}")
    return body


def own_id(body: dict[str, object]) -> str | None:
    """Return an id that a logger added. A number counts rows of one file, and is no id."""
    for key in ("request_id", "id"):
        value = body.get(key)
        if isinstance(value, str) and (found := text(value)) is not None:
            return found
    return None


def is_for_embeddings(body: dict[str, object]) -> bool:
    """Tell a request for embeddings: it has an `input` too, and only its model tells it apart."""
    return "messages" not in body and "embedding" in (name(body.get("model")) or "").lower()


def _request(row: Row) -> TrafficRequest | Skip:
    body = body_of(row)
    if is_for_embeddings(body):
        return Skip("call type embedding")
    prompt = extract(body)
    return TrafficRequest(
        source_kind=NAME,
        source_id=own_id(body) or row.content_id(),
        text=prompt,
        exclusion=Exclusion.NO_TEXT if prompt is None else None,
        model_group=name(body.get("model")),
        end_user=name(body.get("user")),
    )


FORMAT = Format(
    name=NAME,
    describe="OpenAI request body, JSON objects, one per line or in an array",
    recognises=lambda head: head.mostly(is_body),
    rows=json_rows,
    request=_request,
)
