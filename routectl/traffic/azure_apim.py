"""Azure API Management's log of LLM calls: rows of the table `ApiManagementGatewayLlmLog`.

From Log Analytics as CSV (whose header has `TimeGenerated [UTC]`) or JSON, or from a storage
account, where the columns are in `properties`. `RequestMessages` is a list of turns as JSON; one
of more than 32 KB goes on in further rows of the same `CorrelationId`, by `SequenceNumber`, which
are left out, and its first row is excluded as truncated. Source: Azure Monitor's table reference,
and "Log LLM requests and responses" of API Management (2025).
"""

from __future__ import annotations

from typing import Any

from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic.fields import Named, count, mapping
from routectl.traffic.making import (
    EMBEDDING,
    is_embedding,
    json_format,
    object_of,
    request_of,
    structure_of,
)
from routectl.traffic.rows import Row, RowError, Skip

NAME = "azure-apim"


def _named(value: dict[str, Any]) -> Named:
    return Named(value, mapping(value.get("properties")))


def _is_row(value: dict[str, Any]) -> bool:
    log = _named(value)
    return (
        log.get("correlationid") is not None
        and log.get("timegenerated", "time") is not None
        and any(
            log.get(key) is not None
            for key in ("requestmessages", "responsemessages", "deploymentname")
        )
    )


def _request(row: Row) -> TrafficRequest | Skip:
    value = object_of(row, _is_row, "a row of the log: it has no `CorrelationId`")
    log = _named(value)
    if (count(log.get("sequencenumber")) or 0) > 0:
        return Skip("the rest of a call that has several rows")
    model = log.get("deploymentname", "modelname")
    if is_embedding(model) or is_embedding(log.get("modelname")):
        return EMBEDDING
    turns, exclusion = log.get("requestmessages"), None
    try:
        turns = structure_of(turns)
    except RowError:
        exclusion = Exclusion.TRUNCATED
    return request_of(
        row,
        NAME,
        turns,
        exclusion=exclusion,
        id=log.get("correlationid"),
        time=log.get("timegenerated", "time"),
        model_group=model,
        key_alias=log.get("apimsubscriptionid", "subscriptionid")
        if "ApimSubscriptionId" in value
        else None,
        tokens_in=log.get("prompttokens"),
        tokens_out=log.get("completiontokens"),
    )


FORMAT = json_format(
    NAME,
    describe="Azure API Management's LLM log, CSV or JSON",
    holds=_is_row,
    columns=("timegenerated", "correlationid", "requestmessages"),
    request=_request,
    advice={
        Exclusion.NO_TEXT: "switch on logging of prompts (`Log LLM messages`) in the API's "
        "diagnostic settings",
        Exclusion.TRUNCATED: "prompts of more than 32 KB are logged in pieces, which are not "
        "joined",
    },
)
