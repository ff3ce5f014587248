"""Request bodies of Gemini's API, one per line, and lines of its Batch API.

A body has `contents` (turns with `parts`; a role may be left out), `systemInstruction` and
`generationConfig`; the model is in the URL, and in a body only where a logger put it there. A
line of a batch is `{"key": ..., "request": BODY}`, on Vertex AI `{"request": BODY, "response":
...}` in input and output. Sources: ai.google.dev/api/generate-content (v1beta) and its guide
"Batch Mode"; Vertex AI's "Batch prediction for Gemini".
"""

from __future__ import annotations

from typing import Any

from routectl.request import TrafficRequest
from routectl.traffic.fields import mapping
from routectl.traffic.making import facts_of, json_format, object_of, request_of
from routectl.traffic.openai import own_id
from routectl.traffic.rows import Row

NAME = "gemini"


def _body(value: dict[str, Any]) -> dict[str, Any] | None:
    for body in (value, mapping(value.get("request")), mapping(value.get("body"))):
        if isinstance(body.get("contents"), (list, dict, str)):
            return dict(body)
    return None


def model_of(written: object) -> object:
    """Return the last part of a model's path: publishers/google/models/gemini-2.5-flash."""
    return written.rsplit("/", 1)[-1] if isinstance(written, str) else written


def _request(row: Row) -> TrafficRequest:
    value = object_of(row, lambda value: _body(value) is not None, "a body with `contents`")
    body = _body(value)
    assert body is not None
    usage = mapping(mapping(value.get("response")).get("usageMetadata"))
    facts = facts_of(value, body, row.around)
    facts["id"] = own_id(value)
    facts["model_group"] = model_of(facts["model_group"])
    facts["tokens_in"] = facts["tokens_in"] or usage.get("promptTokenCount")
    facts["tokens_out"] = facts["tokens_out"] or usage.get("candidatesTokenCount")
    return request_of(row, NAME, body, body=body, **facts)


FORMAT = json_format(
    NAME,
    describe="Gemini request body, JSON objects with `contents`",
    holds=lambda value: _body(value) is not None,
    request=_request,
)
