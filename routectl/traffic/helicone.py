"""Helicone's requests: what its export tool writes as JSONL or CSV, and its API's query answers.

Fields `request_body`, `request_created_at`, `request_user_id`, `request_properties`,
`request_model`, `response_status`, tokens and cost in US dollars. In the tool's CSV the quotes of
objects are escaped twice. Source: examples/export/typescript/index.ts of Helicone/helicone, and
its REST reference `POST /v1/request/query-clickhouse` (2025).
"""

from __future__ import annotations

from typing import Any

from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic.fields import Named
from routectl.traffic.making import (
    EMBEDDING,
    body_in,
    is_embedding,
    json_format,
    object_of,
    request_of,
)
from routectl.traffic.rows import Row, Skip

NAME = "helicone"


def _is_row(value: dict[str, Any]) -> bool:
    return "request_body" in value and ("request_created_at" in value or "response_id" in value)


def _request(row: Row) -> TrafficRequest | Skip:
    value = object_of(row, _is_row, "a request: it has no `request_body`")
    log = Named(value)
    body = body_in(log.get("requestbody"))
    properties = Named(body_in(log.get("requestproperties") or log.get("properties")))
    model = log.get("requestmodel", "model") or body.get("model") or log.get("responsemodel")
    if "messages" not in body and is_embedding(model):
        return EMBEDDING
    return request_of(
        row,
        NAME,
        dict(body),
        body=body,
        id=log.get("requestid", "responseid"),
        time=log.get("requestcreatedat"),
        model_group=model,
        status=log.get("responsestatus"),
        team=properties.get("team", "teamid", "teamname"),
        end_user=log.get("requestuserid"),
        conversation=properties.get("heliconesessionid", "sessionid"),
        tokens_in=log.get("prompttokens"),
        tokens_out=log.get("completiontokens"),
        cost=log.get("cost", "costusd"),
    )


FORMAT = json_format(
    NAME,
    describe="Helicone requests, JSON objects or CSV",
    holds=_is_row,
    columns=("requestbody", "requestcreatedat"),
    request=_request,
    advice={
        Exclusion.NO_TEXT: "the header Helicone-Omit-Request leaves prompts out; the export has "
        "them with `--include-body`",
    },
)
