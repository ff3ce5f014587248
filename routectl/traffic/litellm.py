"""LiteLLM's StandardLoggingPayload: what its callbacks, object stores and log files hold.

Facts of the format: docs/formats.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from routectl.extraction import extract
from routectl.records import Exclusion, TrafficRequest
from routectl.traffic.fields import (
    count,
    first_text,
    flag,
    mapping,
    number,
    text,
    texts,
    time,
)
from routectl.traffic.rows import Format, Row, RowError, Skip, json_rows, mostly

NAME = "litellm"

CHAT_CALL_TYPES = frozenset(
    {
        "completion",
        "acompletion",
        "text_completion",
        "atext_completion",
        "responses",
        "aresponses",
        "anthropic_messages",
    }
)
"""Call types whose requests a router sees. An absent call type counts as chat."""

REDACTED_TEXT = "redacted-by-litellm"

TRUNCATED = re.compile(
    # Strings in the database, and in the proxy's own standard output.
    r"\(litellm_truncated (?:skipped )?\d+ chars"
    # Messages as one string, cut at the end (DataDog, GCS) or at the beginning (Azure Sentinel).
    r"|\.\.\.truncated by litellm, this logger does not support large content\Z"
    r"|\A\[truncated by litellm\]\.\.\."
)
"""The marks that LiteLLM leaves in a text of which it logged only a part."""


def _is_payload(value: object) -> bool:
    return isinstance(value, Mapping) and "id" in value and "call_type" in value


def _request(row: Row) -> TrafficRequest | Skip:
    payload = row.value
    if not isinstance(payload, Mapping) or not _is_payload(payload):
        raise RowError("not a StandardLoggingPayload: it has no `id` and `call_type`")
    call_type = text(payload["call_type"])
    if call_type is not None and call_type not in CHAT_CALL_TYPES:
        return Skip(f"call type {call_type}")
    prompt = extract({"messages": payload.get("messages")})
    exclusion = _exclusion(prompt)
    metadata = mapping(payload.get("metadata"))
    routing = mapping(metadata.get("routing_decision"))
    row_id = text(payload["id"])
    call_id = text(payload.get("litellm_call_id"))
    conversation = first_text(payload.get("session_id"), payload.get("trace_id"))
    status = text(payload.get("status"))
    return TrafficRequest(
        source_kind=NAME,
        source_id=row_id or row.content_id(),
        text=prompt if exclusion is None else None,
        exclusion=exclusion,
        time=time(payload.get("startTime")),
        # Without a proxy there are no groups, and LiteLLM leaves the field empty.
        model_group=first_text(payload.get("model_group"), payload.get("model")),
        call_type=call_type,
        status="success" if status == "success" else "failure" if status == "failure" else None,
        # LiteLLM writes null for a call that no cache answered.
        cache_hit=bool(flag(payload["cache_hit"])) if "cache_hit" in payload else None,
        team=first_text(
            metadata.get("user_api_key_team_alias"), metadata.get("user_api_key_team_id")
        ),
        key_alias=text(metadata.get("user_api_key_alias")),
        end_user=first_text(payload.get("end_user"), metadata.get("user_api_key_end_user_id")),
        tags=texts(payload.get("request_tags")),
        # A trace that is only the call itself is no conversation.
        conversation=None if conversation in (row_id, call_id) else conversation,
        call_id=call_id,
        tokens_in=count(payload.get("prompt_tokens")),
        tokens_out=count(payload.get("completion_tokens")),
        cost=number(payload.get("response_cost")),
        proxy_decision=text(routing.get("routed_model")),
        proxy_score=number(routing.get("score")),
    )


def _exclusion(prompt: str | None) -> Exclusion | None:
    if prompt is None:
        return Exclusion.NO_TEXT
    if prompt == REDACTED_TEXT:
        return Exclusion.REDACTED
    if TRUNCATED.search(prompt):
        return Exclusion.TRUNCATED
    return None


FORMAT = Format(
    name=NAME,
    describe="LiteLLM StandardLoggingPayload, JSON objects, one per line or in an array",
    recognises=lambda head: mostly(_is_payload, head),
    rows=json_rows,
    request=_request,
)
