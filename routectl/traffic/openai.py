"""OpenAI request bodies, one per line: Chat Completions, and Responses and completions beside it.

Facts of the format: docs/formats.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from routectl.extraction import BODY_KEYS, extract
from routectl.records import Exclusion, TrafficRequest
from routectl.traffic.fields import text
from routectl.traffic.rows import Format, Row, RowError, Skip, json_rows, mostly

NAME = "openai"


def _is_body(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    return isinstance(value.get("messages"), list) or (
        "model" in value and ("input" in value or "prompt" in value)
    )


def _request(row: Row) -> TrafficRequest | Skip:
    body = row.value
    if not isinstance(body, Mapping):
        raise RowError("not a JSON object")
    if not any(key in body for key in BODY_KEYS):
        raise RowError(f"not a request body: it has none of {', '.join(BODY_KEYS)}")
    model = text(body.get("model"))
    # A request for embeddings has an `input` too, and only its model tells it from Responses.
    if "messages" not in body and model is not None and "embedding" in model.lower():
        return Skip("call type embedding")
    prompt = extract(body)
    return TrafficRequest(
        source_kind=NAME,
        source_id=_own_id(body) or row.content_id(),
        text=prompt,
        exclusion=Exclusion.NO_TEXT if prompt is None else None,
        model_group=model,
        end_user=text(body.get("user")),
    )


def _own_id(body: Mapping[str, object]) -> str | None:
    """Return an id that a logger added. A number counts rows of one file, and is no id."""
    for key in ("request_id", "id"):
        value = body.get(key)
        if isinstance(value, str) and (found := text(value)) is not None:
            return found
    return None


FORMAT = Format(
    name=NAME,
    describe="OpenAI request body, JSON objects, one per line or in an array",
    recognises=lambda head: mostly(_is_body, head),
    rows=json_rows,
    request=_request,
)
