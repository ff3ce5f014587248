"""Portkey's log export: JSONL with `request` and `response`, `ai_model` and `metadata`.

`req_units` and `res_units` are tokens. `cost` is in `cost_currency`, in cents in the dashboard's
and in dollars in other exports, so that it is left out. `trace_id` groups the calls of one
session. Source: portkey.ai/docs/product/observability/logs-export (2025).
"""

from __future__ import annotations

from typing import Any

from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic.fields import Named, decoded, mapping
from routectl.traffic.making import (
    EMBEDDING,
    body_in,
    is_embedding,
    json_format,
    object_of,
    request_of,
)
from routectl.traffic.rows import Row, Skip

NAME = "portkey"


def _is_row(value: dict[str, Any]) -> bool:
    return "request" in value and ("ai_model" in value or "ai_org" in value)


def _request(row: Row) -> TrafficRequest | Skip:
    value = object_of(row, _is_row, "a log entry: it has no `request` and `ai_model`")
    asked = body_in(value.get("request"))
    body = body_in(asked.get("body")) or asked
    metadata = Named(mapping(decoded(value.get("metadata"))))
    if "messages" not in body and is_embedding(value.get("ai_model")):
        return EMBEDDING
    return request_of(
        row,
        NAME,
        dict(body),
        body=body,
        id=value.get("id"),
        time=value.get("created_at"),
        model_group=body.get("model") or value.get("ai_model"),
        status=value.get("response_status_code"),
        cache_hit=True if str(value.get("cache_status")).upper() == "HIT" else None,
        team=metadata.get("team", "teamname"),
        end_user=metadata.get("user"),
        conversation=value.get("trace_id"),
        tokens_in=value.get("req_units"),
        tokens_out=value.get("res_units"),
    )


FORMAT = json_format(
    NAME,
    describe="Portkey log export, JSON objects with `request` and `ai_model`",
    holds=_is_row,
    request=_request,
    advice={Exclusion.NO_TEXT: "ask for the field `request` in the export"},
)
