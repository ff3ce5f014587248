"""Amazon Bedrock's model invocation log, and records of its batches.

Objects with `schemaType: ModelInvocationLog`, JSON lines in gzip in S3 or messages in CloudWatch
Logs: `timestamp`, `requestId`, `operation` (InvokeModel, InvokeModelWithResponseStream, Converse,
ConverseStream), `modelId`, `requestMetadata`, and `input` with `inputBodyJson` and
`inputTokenCount`. A body of more than 100 KB is an object of its own in S3
(`inputBodyS3Path`). A batch's record is `{"recordId": ..., "modelInput": BODY}`. Source: AWS's
"Monitor model invocation using CloudWatch Logs and Amazon S3" (schemaVersion 1.0) and "Format and
upload your batch inference data".
"""

from __future__ import annotations

from typing import Any

from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic.fields import Named, mapping
from routectl.traffic.making import (
    EMBEDDING,
    body_in,
    facts_of,
    is_embedding,
    json_format,
    object_of,
    request_of,
)
from routectl.traffic.rows import Row, Skip

NAME = "bedrock"


def _is_invocation(value: dict[str, Any]) -> bool:
    return value.get("schemaType") == "ModelInvocationLog" or (
        "recordId" in value and isinstance(value.get("modelInput"), dict)
    )


def _request(row: Row) -> TrafficRequest | Skip:
    log = object_of(row, _is_invocation, "a model invocation: its `schemaType` is another one")
    if "modelInput" in log:
        return request_of(row, NAME, _turns(log["modelInput"]), body=log["modelInput"])
    if is_embedding(log.get("modelId")):
        return EMBEDDING
    asked, answered = mapping(log.get("input")), mapping(log.get("output"))
    body = body_in(asked.get("inputBodyJson"))
    metadata = mapping(log.get("requestMetadata"))
    facts = facts_of(metadata)
    elsewhere = not body and asked.get("inputBodyS3Path") is not None
    failed = log.get("errorCode") is not None
    return request_of(
        row,
        NAME,
        _turns(body),
        body=body,
        exclusion=Exclusion.TRUNCATED if elsewhere else None,
        id=log.get("requestId"),
        time=log.get("timestamp"),
        model_group=log.get("modelId"),
        status="failure" if failed else None,
        team=facts["team"],
        key_alias=facts["key_alias"],
        end_user=facts["end_user"],
        conversation=Named(metadata).get("sessionid", "conversationid", "threadid"),
        tokens_in=asked.get("inputTokenCount"),
        tokens_out=answered.get("outputTokenCount"),
    )


def _turns(body: object) -> object:
    """Return what holds the conversation; of Titan's text models it is `inputText`, of Cohere's
    `message`."""
    held = mapping(body)
    for key in ("inputText", "message"):
        if isinstance(held.get(key), str):
            return held[key]
    return held


FORMAT = json_format(
    NAME,
    describe="Amazon Bedrock model invocation log, JSON objects",
    holds=_is_invocation,
    request=_request,
    advice={
        Exclusion.NO_TEXT: "switch text on among the data types of Bedrock's model invocation "
        "logging",
        Exclusion.TRUNCATED: "bodies of more than 100 KB are objects of their own in the bucket, "
        "which are not read",
    },
)
