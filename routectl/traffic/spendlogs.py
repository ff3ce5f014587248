"""LiteLLM's spend logs: rows of its table `LiteLLM_SpendLogs`, as JSON or as CSV.

Facts of the format: docs/formats.md.
"""

from __future__ import annotations

from typing import Any

from routectl.extraction import extract
from routectl.needs import UNKNOWN, needs_of
from routectl.request import TrafficRequest
from routectl.traffic.fields import (
    count,
    decoded,
    dollars,
    flag,
    mapping,
    name,
    names,
    text,
    user_and_session,
)
from routectl.traffic.litellm import (
    ADVICE,
    CHAT_CALL_TYPES,
    CLASSIFIER,
    HEALTH_CHECK,
    TRUNCATED,
    answering,
    exclusion,
    is_classifier,
    own_call,
    proxys_decision,
    status,
)
from routectl.traffic.making import json_format, read, structure_of, time_of
from routectl.traffic.rows import Row, RowError, Skip

NAME = "spendlogs"


def _is_spend_log(value: dict[str, Any]) -> bool:
    return "request_id" in value and "call_type" in value


def _request(row: Row) -> TrafficRequest | Skip:
    log = row.value
    if not isinstance(log, dict) or "request_id" not in log:
        raise RowError("not a spend log: it has no `request_id`")
    get = log.get
    call_type = name(get("call_type"))
    if call_type is not None and call_type not in CHAT_CALL_TYPES:
        return Skip(f"call type {call_type}")
    metadata = mapping(decoded(get("metadata")))
    requester = mapping(metadata.get("requester_metadata"))
    own = own_call(
        metadata.get("internal_call_origin"),
        metadata.get("is_silent_experiment") or requester.get("is_silent_experiment"),
    )
    if own is not None:
        return own
    team = name(metadata.get("user_api_key_team_alias")) or name(get("team_id"))
    key_alias = name(metadata.get("user_api_key_alias"))
    tags = names(decoded(get("request_tags")))
    if HEALTH_CHECK in (key_alias, team, get("api_key"), *tags):
        return Skip("health check")
    prompt, body = _asked(log)
    if get("call_type") == "" and is_classifier(prompt, get("status")):
        return CLASSIFIER
    excluded = exclusion(prompt)
    needs = UNKNOWN if body is None else needs_of(body)
    # The text "None" stands for a call that no cache answered.
    cached = bool(flag(get("cache_hit"))) if "cache_hit" in log else None
    spent, routing = decoded(metadata.get("spend_logs_metadata")), metadata.get("routing_decision")
    asked = name(get("model_group"))
    decision = proxys_decision(spent, routing, model_group=asked, is_cached=cached is True)
    row_id = text(get("request_id"))
    call_id = text(get("litellm_call_id")) or text(metadata.get("litellm_call_id"))
    conversation = text(get("session_id"))
    end_user, session = user_and_session(text(get("end_user")))
    model = answering(name(get("model")), asked, spent, routing)
    # After a fallback the group is the one that answered.
    group = name(metadata.get("original_model_group")) or asked or model
    return TrafficRequest(
        source_kind=NAME,
        source_id=row_id or row.content_id(),
        text=prompt if excluded is None else None,
        exclusion=excluded,
        time=time_of(row, get("startTime", get("start_time", get("starttime")))),
        model_group=group,
        call_type=call_type,
        # Older versions have no column for it.
        status=status(get("status")) or status(metadata.get("status")),
        cache_hit=cached,
        team=team,
        key_alias=key_alias,
        end_user=end_user,
        tags=tags,
        conversation=session or (None if conversation in (row_id, call_id) else conversation),
        call_id=call_id,
        tokens_in=read(row, "number of tokens", count, get("prompt_tokens")),
        tokens_out=read(row, "number of tokens", count, get("completion_tokens")),
        cost=read(row, "cost", dollars, get("spend")),
        model=None if model == group else model,
        proxy_decision=decision.decision,
        proxy_score=decision.score,
        proxy_fingerprint=decision.fingerprint,
        proxy_route=decision.route,
        proxy_activation=decision.activation,
        proxy_model=decision.model,
        proxy_reason=decision.reason,
        proxy_extraction_version=decision.extraction_version,
        proxy_would_be=decision.would_be,
        proxy_would_be_reason=decision.would_be_reason,
        images=needs.images,
        tools=needs.tools,
        response_format=needs.response_format,
    )


def _asked(log: dict[str, Any]) -> tuple[str | None, dict[str, Any] | None]:
    """Return the last human text of the request's body, else of `messages`, which is `{}`; and the
    body, where it is one."""
    for field in ("proxy_server_request", "messages"):
        written = decoded(log.get(field))
        if isinstance(written, str):
            # No JSON any more: a whole column that was cut, if it says so.
            cut = TRUNCATED.search(written)
            prompt = written if cut else extract(structure_of(written)) if "{" in written else None
            if prompt == written and not cut:
                prompt = None
        else:
            prompt = extract(written)
        if prompt is not None:
            return prompt, written if isinstance(written, dict) else None
    return None, None


FORMAT = json_format(
    NAME,
    describe="LiteLLM SpendLogs, JSON objects, one per line or in an array, or a CSV export",
    holds=_is_spend_log,
    columns=("requestid", "calltype"),
    request=_request,
    advice=ADVICE,
)
