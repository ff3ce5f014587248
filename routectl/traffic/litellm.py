"""LiteLLM's StandardLoggingPayload: what its callbacks, object stores and log files hold.

Facts of the format: docs/formats.md.
"""

from __future__ import annotations

import re
from typing import Literal

from routectl.extraction import extract
from routectl.records import Exclusion, TrafficRequest
from routectl.traffic.fields import count, flag, mapping, name, names, number, text, time
from routectl.traffic.rows import Format, Row, RowError, Skip, json_rows

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


def _is_payload(value: dict[str, object]) -> bool:
    return "id" in value and "call_type" in value


def _request(row: Row) -> TrafficRequest | Skip:
    payload = row.value
    if not isinstance(payload, dict) or not _is_payload(payload):
        raise RowError("not a StandardLoggingPayload: it has no `id` and `call_type`")
    get = payload.get
    call_type = name(payload["call_type"])
    if call_type is not None and call_type not in CHAT_CALL_TYPES:
        return Skip(f"call type {call_type}")
    messages = get("messages")
    prompt = extract(messages if isinstance(messages, list) else {"messages": messages})
    excluded = exclusion(prompt)
    metadata = mapping(get("metadata"))
    routing = mapping(metadata.get("routing_decision"))
    row_id = text(payload["id"])
    call_id = text(get("litellm_call_id"))
    conversation = text(get("session_id")) or text(get("trace_id"))
    return TrafficRequest(
        source_kind=NAME,
        source_id=row_id or row.content_id(),
        text=prompt if excluded is None else None,
        exclusion=excluded,
        time=time(get("startTime")),
        # Without a proxy there are no groups, and LiteLLM leaves the field empty.
        model_group=name(get("model_group")) or name(get("model")),
        call_type=call_type,
        status=status(get("status")),
        # LiteLLM writes null for a call that no cache answered.
        cache_hit=bool(flag(payload["cache_hit"])) if "cache_hit" in payload else None,
        team=name(metadata.get("user_api_key_team_alias"))
        or name(metadata.get("user_api_key_team_id")),
        key_alias=name(metadata.get("user_api_key_alias")),
        end_user=name(get("end_user")) or name(metadata.get("user_api_key_end_user_id")),
        tags=names(get("request_tags")),
        # A trace that is only the call itself is no conversation.
        conversation=None if conversation in (row_id, call_id) else conversation,
        call_id=call_id,
        tokens_in=count(get("prompt_tokens")),
        tokens_out=count(get("completion_tokens")),
        cost=number(get("response_cost")),
        proxy_decision=text(routing.get("routed_model")),
        proxy_score=number(routing.get("score")),
    )


def status(value: object) -> Literal["success", "failure"] | None:
    """Return the outcome of a call; None where the log has neither word."""
    if value == "success":
        return "success"
    return "failure" if value == "failure" else None


def exclusion(prompt: str | None) -> Exclusion | None:
    """Return why a prompt that LiteLLM logged cannot be scored, if it cannot."""
    if prompt is None:
        return Exclusion.NO_TEXT
    if prompt == REDACTED_TEXT:
        return Exclusion.REDACTED
    # Every mark holds this word, and looking for it is fifty times as fast.
    if "truncated" in prompt and TRUNCATED.search(prompt):
        return Exclusion.TRUNCATED
    return None


FORMAT = Format(
    name=NAME,
    describe="LiteLLM StandardLoggingPayload, JSON objects, one per line or in an array",
    recognises=lambda head: head.mostly(_is_payload),
    rows=json_rows,
    request=_request,
)
