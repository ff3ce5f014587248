"""OpenPipe's request logs: `{"input": BODY, "output": COMPLETION, "tags": {...}}` a line.

The time and the tokens are the completion's. Rows of its API with `reqPayload` are read, too. Its
export for fine-tuning, `{"messages": [...]}`, is an `openai` body. Source: docs.openpipe.ai,
"Exporting logs" (2025).
"""

from __future__ import annotations

from typing import Any

from routectl.request import TrafficRequest
from routectl.traffic.fields import Named, decoded, mapping
from routectl.traffic.making import (
    EMBEDDING,
    body_in,
    has_conversation,
    is_embedding,
    json_format,
    object_of,
    request_of,
)
from routectl.traffic.rows import Row, Skip

NAME = "openpipe"


def _is_row(value: dict[str, Any]) -> bool:
    if isinstance(value.get("input"), dict) and "output" in value:
        return has_conversation(value["input"])
    return "reqPayload" in value or "req_payload" in value


def _request(row: Row) -> TrafficRequest | Skip:
    value = object_of(row, _is_row, "a logged call: it has no `input` and `output`")
    log = Named(value)
    body = body_in(log.get("reqpayload", "input"))
    answer = mapping(decoded(log.get("resppayload", "output")))
    usage = Named(mapping(answer.get("usage")))
    tags = mapping(decoded(log.get("tags")))
    if "messages" not in body and is_embedding(body.get("model")):
        return EMBEDDING
    return request_of(
        row,
        NAME,
        dict(body),
        body=body,
        id=log.get("id") or answer.get("id"),
        time=log.get("requestedat", "createdat", "starttime") or answer.get("created"),
        model_group=body.get("model") or log.get("model"),
        status=log.get("statuscode"),
        cache_hit=log.get("cachehit"),
        team=Named(tags).get("team"),
        end_user=body.get("user"),
        conversation=Named(tags).get("sessionid", "conversationid", "threadid"),
        tokens_in=log.get("inputtokens") or usage.get("prompttokens"),
        tokens_out=log.get("outputtokens") or usage.get("completiontokens"),
        cost=log.get("cost"),
    )


FORMAT = json_format(
    NAME,
    describe="OpenPipe request logs, JSON objects with `input` and `output`",
    holds=_is_row,
    columns=("reqpayload",),
    request=_request,
)
