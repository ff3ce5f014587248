"""LiteLLM's StandardLoggingPayload: what its callbacks, object stores and log files hold.

Facts of the format: docs/formats.md.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Literal, NamedTuple, Self

import msgspec

from routectl.extraction import extract
from routectl.needs import count_images, count_tools, response_format
from routectl.records import Exclusion
from routectl.request import CACHE_HIT, FALLBACK, OVERRIDDEN, TrafficRequest
from routectl.traffic.envelopes import rows
from routectl.traffic.fields import (
    count,
    dollars,
    flag,
    mapping,
    name,
    names,
    number,
    text,
    user_and_session,
)
from routectl.traffic.making import prompt_of, read
from routectl.traffic.rows import Format, Row, RowError, Skip
from routectl.traffic.times import instant

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

HEALTH_CHECK = "litellm-internal-health-check"
"""Service account and tag of the proxy's own health checks (litellm/constants.py)."""

TRUNCATED = re.compile(
    # Strings in the database, and in the proxy's own standard output.
    r"\(litellm_truncated (?:skipped )?\d+ chars"
    # Messages as one string, cut at the end (DataDog, GCS) or at the beginning (Azure Sentinel).
    r"|\.\.\.truncated by litellm, this logger does not support large content\Z"
    r"|\A\[truncated by litellm\]\.\.\."
)
"""The words that LiteLLM leaves in a text of which it logged only a part."""


class _Part(msgspec.Struct, gc=False):
    """A JSON object of a payload, of which only these keys are read.

    Texts, numbers and objects are of the types that LiteLLM writes: a line that has others is
    read again without types, where a key holds whatever the log has.
    """

    @classmethod
    def of(cls, value: object) -> Self:
        """Take the keys from any JSON value; none from what is no object."""
        held = mapping(value)
        return cls(**{key: held[key] for key in cls.__struct_fields__ if key in held})


_Text = str | None
_Number = float | int | str | None


class _Routing(_Part):
    routed_model: _Text = None
    router_model_name: _Text = None
    cause: _Text = None
    score: _Number = None


class _Metadata(_Part):
    routing_decision: _Routing | None = None
    user_api_key_team_alias: _Text = None
    user_api_key_team_id: _Text = None
    user_api_key_alias: _Text = None
    user_api_key_end_user_id: _Text = None
    original_model_group: _Text = None
    internal_call_origin: _Text = None
    is_silent_experiment: bool | None = None
    requester_metadata: dict[str, Any] | None = None
    spend_logs_metadata: dict[str, Any] | None = None


class _Parameters(_Part):
    tools: Any = None
    functions: Any = None
    response_format: Any = None
    text: Any = None


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
    model_parameters: _Parameters | None = None


_ASKING_NOTHING = (_Parameters(), None)
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
    metadata = payload.metadata
    if not isinstance(metadata, _Metadata):
        metadata = _Metadata.of(metadata)
    tags = names(payload.request_tags)
    team = name(metadata.user_api_key_team_alias) or name(metadata.user_api_key_team_id)
    key_alias = name(metadata.user_api_key_alias)
    spent = metadata.spend_logs_metadata
    silent = metadata.is_silent_experiment
    if silent is None and metadata.requester_metadata:
        silent = mapping(metadata.requester_metadata).get("is_silent_experiment") is True
    if silent or metadata.internal_call_origin:
        own = own_call(metadata.internal_call_origin, silent)
        if own is not None:
            return own
    if HEALTH_CHECK in (key_alias, team) or HEALTH_CHECK in tags:
        return Skip("health check")
    messages = payload.messages
    is_list = type(messages) is list
    prompt = extract(messages) if is_list else _prompt(messages)
    excluded = exclusion(prompt)
    if call_type is None and payload.call_type == "" and is_classifier(prompt, payload.status):
        return CLASSIFIER
    row_id = text(payload.id)
    call_id = text(payload.litellm_call_id)
    conversation = text(payload.session_id) or text(payload.trace_id)
    # A trace that is only the call itself is no conversation.
    if conversation in (row_id, call_id):
        conversation = None
    end_user = text(payload.end_user) or text(metadata.user_api_key_end_user_id)
    if end_user is not None and "session_" in end_user:
        end_user, session = user_and_session(end_user)
        conversation = session or conversation
    time = instant(payload.startTime)
    if time is None and text(payload.startTime) is not None and payload.startTime != 0:
        row.source.unread["time"] += 1
    model = name(payload.model)
    # After a fallback the group is the one that answered. Without a proxy there are no groups, and
    # LiteLLM leaves the field empty.
    group = name(metadata.original_model_group) or name(payload.model_group) or model
    tokens_in, tokens_out = count(payload.prompt_tokens), count(payload.completion_tokens)
    cost = dollars(payload.response_cost)
    if tokens_in is None or tokens_out is None or cost is None:
        # Once more, for what could not be read to be counted.
        read(row, "number of tokens", count, payload.prompt_tokens)
        read(row, "number of tokens", count, payload.completion_tokens)
        read(row, "cost", dollars, payload.response_cost)
    # LiteLLM writes null for a call that no cache answered.
    cached = None if payload.cache_hit is msgspec.UNSET else bool(flag(payload.cache_hit))
    # In the order of the record's fields: by their names it takes three times as long to make.
    facts = (
        NAME,
        row_id or row.content_id(),
        prompt if excluded is None else None,
        excluded,
        time,
        group,
        call_type,
        status(payload.status),
        cached,
        team,
        key_alias,
        end_user,
        tags,
        conversation,
        call_id,
        tokens_in,
        tokens_out,
        cost,
        None if model == group else model,
    )
    routing = metadata.routing_decision
    images = count_images(messages) if is_list else None
    asked = payload.model_parameters
    if spent is None and routing is None and not images and asked in _ASKING_NOTHING:
        return TrafficRequest(*facts)
    if not isinstance(asked, _Parameters):
        asked = _Parameters.of(asked)
    called = answering(model, name(payload.model_group), spent, routing)
    return TrafficRequest(
        *facts[:-1],
        None if called == group else called,
        *proxys_decision(
            spent,
            routing,
            model_group=name(payload.model_group),
            is_cached=cached is True,
        ),
        images,
        count_tools(asked.tools or asked.functions),
        response_format({"response_format": asked.response_format, "text": asked.text}),
    )


def _prompt(messages: object) -> str | None:
    return prompt_of(messages if isinstance(messages, str) else {"messages": messages})


CLASSIFIER = Skip("call without a type, such as a classifier's")


def is_classifier(prompt: str | None, outcome: object) -> bool:
    """Tell a call whose type is empty: LiteLLM's own classifier, not a client, made it.

    A failure may have lost its type on the way, and what has no prompt is counted as that.
    """
    return prompt is not None and prompt != REDACTED_TEXT and outcome == "success"


def own_call(origin: object, is_silent: object) -> Skip | None:
    """Return why a call is one that the proxy made by itself, if it is.

    `internal_call_origin` names LiteLLM's classifier, its shadow evaluations and their judge
    (InternalCallOrigin in litellm/types/utils.py); `silent_model` is true in mirrored calls.
    """
    if is_silent is True:
        return Skip("mirrored call")
    written = name(origin)
    return None if written is None else Skip(f"the proxy's own call: {written}")


class Decision(NamedTuple):
    """What a proxy says of its decision, in the order of a request's fields."""

    decision: str | None = None
    score: float | None = None
    fingerprint: str | None = None
    route: str | None = None
    activation: str | None = None
    model: str | None = None
    reason: str | None = None
    extraction_version: int | None = None
    would_be: str | None = None
    would_be_reason: str | None = None


PLUGIN_CAUSE = "classifier_plugin"
"""What LiteLLM's router says of a request that the plug-in decided."""


def proxys_decision(
    spend_logs_metadata: object,
    routing_decision: object,
    *,
    model_group: str | None = None,
    is_cached: bool = False,
) -> Decision:
    """Return what routectl's plug-in wrote of its decision, in `spend_logs_metadata.routectl`; what
    it did not write is that of LiteLLM's own router.

    Args:
        model_group: of the row, as it is logged.
        is_cached: no model answered.
    """
    entry = mapping(spend_logs_metadata).get("routectl")
    written = mapping(entry).get
    routing = routing_decision
    if not isinstance(routing, _Routing):
        routing = _Routing.of(routing)
    chosen, score = text(routing.routed_model), number(written("score"))
    decision = Decision(
        name(written("decision")) or chosen,
        number(routing.score) if score is None else score,
        name(written("fingerprint")),
        name(written("route")),
        name(written("activation")),
        name(written("model")) or chosen,
        name(written("reason")),
        count(written("extraction_version")),
        name(written("would_be")),
        name(written("would_be_reason")),
    )
    if not isinstance(entry, dict):
        return decision
    cause, router = text(routing.cause), name(routing.router_model_name)
    if cause is not None and cause != PLUGIN_CAUSE:
        # Which model that is to the route, its policy knows.
        route = decision.route or router
        return decision._replace(
            decision=chosen,
            model=chosen,
            reason=OVERRIDDEN,
            route=route,
            would_be=None,
            would_be_reason=None,
        )
    if decision.reason is not None and is_cached:
        # The answer is from when another policy may have run.
        return decision._replace(
            decision=None, model=None, reason=CACHE_HIT, would_be=None, would_be_reason=None
        )
    # The row of the model that answered in the end has no decision of LiteLLM's router.
    if decision.reason is not None and model_group not in (None, router or decision.route):
        return decision._replace(reason=FALLBACK)
    return decision


def answering(
    model: str | None,
    model_group: str | None,
    spend_logs_metadata: object,
    routing_decision: object,
) -> str | None:
    """Return the name of the model that answered: of a route's row the one that the route knows.

    LiteLLM logs the provider's, such as an Azure deployment or a dated model.

    Args:
        model: as it is logged.
        model_group: of the row, likewise.
    """
    routing = routing_decision
    if not isinstance(routing, _Routing):
        routing = _Routing.of(routing)
    chosen = name(routing.routed_model)
    is_ours = isinstance(mapping(spend_logs_metadata).get("routectl"), dict)
    # A fallback of the proxy has another group.
    is_routed = model_group is not None and model_group == name(routing.router_model_name)
    return chosen if is_ours and is_routed and chosen is not None else model


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
    # Every one of them holds this word, and looking for it is fifty times as fast.
    if "truncated" in prompt and TRUNCATED.search(prompt):
        return Exclusion.TRUNCATED
    return None


ADVICE = {
    Exclusion.NO_TEXT: "set `turn_off_message_logging: false` in `litellm_settings`, and for spend "
    "logs `store_prompts_in_spend_logs: true` in `general_settings`",
    Exclusion.REDACTED: "set `turn_off_message_logging: false` in `litellm_settings`",
    Exclusion.TRUNCATED: "set the environment variable MAX_STRING_LENGTH_PROMPT_IN_DB of the proxy "
    "higher (for its standard output MAX_STRING_LENGTH_STDOUT_LOG)",
}

FORMAT = Format(
    name=NAME,
    describe="LiteLLM StandardLoggingPayload, JSON objects, one per line or in an array",
    recognises=lambda head: head.mostly(_is_payload),
    rows=partial(rows, holds=_is_payload, quickly=_parse),
    request=_request,
    holds=_is_payload,
    advice=ADVICE,
)
