"""Vertex AI's request-response log: rows of a BigQuery table, exported as JSON or CSV.

Columns: `endpoint`, `deployed_model_id`, `logging_time`, `request_id`, `request_payload`,
`response_payload`, `model`, `model_version`, `api_method`, `full_request`, `full_response`,
`metadata`, `otel_log`. `full_request` is the body: Gemini's, or the publisher's own, such as
Anthropic's. Prompts above BigQuery's 10 MB a row are not logged. Source: Vertex AI's "Log requests
and responses" (google/cloud, v1beta1 `setPublisherModelConfig`), columns as of 2025.
"""

from __future__ import annotations

from typing import Any

from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic.fields import Named, decoded, mapping
from routectl.traffic.gemini import model_of
from routectl.traffic.making import (
    EMBEDDING,
    body_in,
    is_embedding,
    json_format,
    object_of,
    request_of,
)
from routectl.traffic.rows import Row, Skip

NAME = "vertex"


def _is_row(value: dict[str, Any]) -> bool:
    log = Named(value)
    return log.get("loggingtime") is not None and (
        log.get("fullrequest", "requestpayload") is not None or "full_request" in value
    )


def _request(row: Row) -> TrafficRequest | Skip:
    value = object_of(row, _is_row, "a row of the log: it has no `logging_time` and `full_request`")
    log = Named(value)
    body = body_in(log.get("fullrequest"))
    if not body:
        payload = decoded(log.get("requestpayload"))
        first = payload[0] if isinstance(payload, list) and payload else payload
        body = body_in(first)
    if is_embedding(log.get("model")):
        return EMBEDDING
    usage = Named(
        mapping(mapping(decoded(log.get("fullresponse"))).get("usageMetadata")),
        mapping(mapping(decoded(log.get("fullresponse"))).get("usage")),
    )
    return request_of(
        row,
        NAME,
        dict(body),
        body=body,
        id=log.get("requestid"),
        time=log.get("loggingtime"),
        model_group=model_of(log.get("model")),
        tokens_in=usage.get("prompttokencount", "inputtokens"),
        tokens_out=usage.get("candidatestokencount", "outputtokens"),
    )


FORMAT = json_format(
    NAME,
    describe="Vertex AI request-response log, rows of its BigQuery table, JSON or CSV",
    holds=_is_row,
    columns=("loggingtime", "fullrequest"),
    request=_request,
    advice={
        Exclusion.NO_TEXT: "export the column `full_request`; models whose requests are not "
        "logged with it have `request_payload`"
    },
)
