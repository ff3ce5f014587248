"""Input of Anthropic's Message Batches API: requests with a `custom_id` and `params`.

The body of `POST /v1/messages/batches` is `{"requests": [{"custom_id": ..., "params": {...}}]}`;
its requests are also kept one a line. `params` is a body of the Messages API. Source: Anthropic's
API reference, "Create a Message Batch" (anthropic-version 2023-06-01).
"""

from __future__ import annotations

from typing import Any

from routectl.request import TrafficRequest
from routectl.traffic.fields import mapping, text
from routectl.traffic.making import json_format, object_of, request_of, with_id
from routectl.traffic.rows import Row

NAME = "anthropic-batch"


def _is_batch_line(value: dict[str, Any]) -> bool:
    return "custom_id" in value and isinstance(value.get("params"), dict)


def _request(row: Row) -> TrafficRequest:
    line = object_of(row, _is_batch_line, "a batch request: it has no `custom_id` and `params`")
    body = line["params"]
    request = request_of(
        row,
        NAME,
        body,
        body=body,
        model_group=body.get("model"),
        end_user=mapping(body.get("metadata")).get("user_id"),
    )
    # A custom id is unique within its batch only.
    return with_id(request, row.content_id(place=text(line["custom_id"])))


FORMAT = json_format(
    NAME,
    describe="Anthropic Message Batches input, JSON objects with `custom_id` and `params`",
    holds=_is_batch_line,
    request=_request,
)
