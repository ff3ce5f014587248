"""Kong AI Gateway's audit log: entries of a logging plug-in with an object `ai`.

`ai.proxy` (or the plug-in's name, as `ai-proxy-advanced`) holds `payload.request` (the body as JSON
text), `meta` with the models, and `usage`. `started_at` is in milliseconds. Source:
developer.konghq.com, "AI Gateway audit log reference" (Kong Gateway 3.8 and later; `usage.cost`
from 3.10 on).
"""

from __future__ import annotations

from typing import Any

from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic.fields import Named, mapping
from routectl.traffic.making import (
    EMBEDDING,
    body_in,
    is_embedding,
    json_format,
    object_of,
    request_of,
)
from routectl.traffic.rows import Row, Skip

NAME = "kong"


def _plugin(value: dict[str, Any]) -> dict[str, Any]:
    """Return what the plug-in that called a model logged; empty where none did."""
    held = mapping(value.get("ai"))
    entries = [held, *(item for item in held.values() if isinstance(item, dict))]
    wanted = ("payload", "meta", "usage")
    return max(entries, key=lambda entry: sum(key in entry for key in wanted), default={})


def _is_entry(value: dict[str, Any]) -> bool:
    return isinstance(value.get("ai"), dict) and (
        "started_at" in value or "latencies" in value or "consumer" in value
    )


def _request(row: Row) -> TrafficRequest | Skip:
    value = object_of(row, _is_entry, "an entry with `ai`: a call of no model")
    plugin = _plugin(value)
    body = body_in(mapping(plugin.get("payload")).get("request"))
    meta, usage = Named(mapping(plugin.get("meta"))), Named(mapping(plugin.get("usage")))
    model = body.get("model") or meta.get("requestmodel", "responsemodel")
    if "messages" not in body and is_embedding(model):
        return EMBEDDING
    http = mapping(value.get("response")).get("status")
    return request_of(
        row,
        NAME,
        dict(body),
        body=body,
        id=mapping(value.get("request")).get("id"),
        time=value.get("started_at"),
        model_group=model,
        status=http,
        key_alias=mapping(value.get("consumer")).get("username"),
        tokens_in=usage.get("prompttokens"),
        tokens_out=usage.get("completiontokens"),
        cost=usage.get("cost"),
    )


FORMAT = json_format(
    NAME,
    describe="Kong AI Gateway log, JSON objects with `ai`",
    holds=_is_entry,
    request=_request,
    advice={Exclusion.NO_TEXT: "set `logging.log_payloads: true` in the plug-in"},
)
