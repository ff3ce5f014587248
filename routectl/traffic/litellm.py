"""LiteLLM's StandardLoggingPayload: what its callbacks, object stores and log files hold.

Facts of the format: docs/formats.md.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Literal, Self

import msgspec

from routectl.extraction import extract
from routectl.records import Exclusion
from routectl.request import TrafficRequest
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


class _Part(msgspec.Struct, gc=False):
    """A JSON object of a payload, of which only these keys are read.

    Texts, numbers and objects are of the types that LiteLLM writes: a line that has others is
    read again without types, where a key holds whatever the log has.
    """

    @classmethod
    def of(cls, value: object) -> Self:
        """Take the keys from any JSON value; none from what is no object."""
        found = mapping(value)
        return cls(**{key: found[key] for key in cls.__struct_fields__ if key in found})


_Text = str | None
_Number = float | int | str | None


class _Routing(_Part):
    routed_model: _Text = None
    score: _Number = None


class _Metadata(_Part):
    routing_decision: _Routing | None = None
    user_api_key_team_alias: _Text = None
    user_api_key_team_id: _Text = None
    user_api_key_alias: _Text = None
    user_api_key_end_user_id: _Text = None


class _Payload(_Part, kw_only=True):
    id: _Text
    call_type: _Text
    messages: Any = None
    metadata: _Metadata | None = None
    litellm_call_id: _Text = None
    session_id: _Text = None
    trace_id: _Text = None
    startTime: _Number = None  # noqa: N815 - the log's own names
    model_group: _Text = None
    model: _Text = None
    status: _Text = None
    cache_hit: bool | str | msgspec.UnsetType | None = msgspec.UNSET
    end_user: _Text = None
    request_tags: tuple[str, ...] | None = None
    prompt_tokens: _Number = None
    completion_tokens: _Number = None
    response_cost: _Number = None


_NO_ROUTING = _Routing()
_decode = msgspec.json.Decoder(_Payload).decode


def _parse(raw: bytes) -> _Payload:
    """Parse what is read of a line, in half the time that all of it takes.

    Raises:
        ValueError: It is not as LiteLLM writes it; that does not say that it cannot be read.
    """
    try:
        if not raw.isascii():
            raw.decode()  # what is passed over is not checked by the decoder
        return _decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError from error


def _is_payload(value: dict[str, object]) -> bool:
    return "id" in value and "call_type" in value


def _payload(value: object) -> _Payload:
    """Take the payload from a JSON value that was parsed without types."""
    if not isinstance(value, dict) or not _is_payload(value):
        raise RowError("not a StandardLoggingPayload: it has no `id` and `call_type`")
    return _Payload.of(value)


def _request(row: Row) -> TrafficRequest | Skip:
    value = row.value
    payload = value if isinstance(value, _Payload) else _payload(value)
    call_type = name(payload.call_type)
    if call_type is not None and call_type not in CHAT_CALL_TYPES:
        return Skip(f"call type {call_type}")
    messages = payload.messages
    prompt = extract(messages if isinstance(messages, list) else {"messages": messages})
    excluded = exclusion(prompt)
    metadata = payload.metadata
    if not isinstance(metadata, _Metadata):
        metadata = _Metadata.of(metadata)
    routing = metadata.routing_decision
    if not isinstance(routing, _Routing):
        routing = _Routing.of(routing) if routing else _NO_ROUTING
    row_id = text(payload.id)
    call_id = text(payload.litellm_call_id)
    conversation = text(payload.session_id) or text(payload.trace_id)
    # In the order of the record's fields: by their names it takes three times as long to make.
    return TrafficRequest(
        NAME,
        row_id or row.content_id(),
        prompt if excluded is None else None,
        excluded,
        time(payload.startTime),
        # Without a proxy there are no groups, and LiteLLM leaves the field empty.
        name(payload.model_group) or name(payload.model),
        call_type,
        status(payload.status),
        # LiteLLM writes null for a call that no cache answered.
        None if payload.cache_hit is msgspec.UNSET else bool(flag(payload.cache_hit)),
        name(metadata.user_api_key_team_alias) or name(metadata.user_api_key_team_id),
        name(metadata.user_api_key_alias),
        text(payload.end_user) or text(metadata.user_api_key_end_user_id),
        names(payload.request_tags),
        # A trace that is only the call itself is no conversation.
        None if conversation in (row_id, call_id) else conversation,
        call_id,
        count(payload.prompt_tokens),
        count(payload.completion_tokens),
        number(payload.response_cost),
        text(routing.routed_model),
        number(routing.score),
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
    rows=partial(json_rows, quickly=_parse),
    request=_request,
)
