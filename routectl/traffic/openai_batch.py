"""Input files of OpenAI's Batch API: one request per line, with its body and its `custom_id`.

Facts of the format: docs/formats.md.
"""

from __future__ import annotations

from typing import Any

from routectl.request import TrafficRequest
from routectl.traffic.fields import text
from routectl.traffic.making import (
    EMBEDDING,
    is_embedding,
    json_format,
    object_of,
    request_of,
    with_id,
)
from routectl.traffic.rows import Row, Skip

NAME = "openai-batch"

_CHAT_ENDPOINTS = ("/chat/completions", "/responses", "/completions", "/messages")


def _is_batch_line(value: dict[str, Any]) -> bool:
    return "custom_id" in value and isinstance(value.get("body"), dict)


def _request(row: Row) -> TrafficRequest | Skip:
    line = object_of(row, _is_batch_line, "a batch request: it has no `custom_id` and `body`")
    body = line["body"]
    url = text(line.get("url"))
    if url is not None and not url.rstrip("/").endswith(_CHAT_ENDPOINTS):
        return Skip(f"endpoint {url}")
    if "messages" not in body and is_embedding(body.get("model")):
        return EMBEDDING
    request = request_of(
        row, NAME, body, body=body, model_group=body.get("model"), end_user=body.get("user")
    )
    # A custom id is unique within its file only, and the next file may well use it again.
    return with_id(request, row.content_id(place=text(line["custom_id"])))


FORMAT = json_format(
    NAME,
    describe="OpenAI Batch API input, JSON objects with `custom_id` and `body`",
    holds=_is_batch_line,
    request=_request,
)
