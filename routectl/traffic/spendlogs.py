"""LiteLLM's spend logs: rows of its table `LiteLLM_SpendLogs`, as JSON or as CSV.

Facts of the format: docs/formats.md.
"""

from __future__ import annotations

from routectl.extraction import extract
from routectl.request import TrafficRequest
from routectl.traffic.fields import (
    count,
    decoded,
    flag,
    mapping,
    name,
    names,
    number,
    text,
    time,
)
from routectl.traffic.litellm import CHAT_CALL_TYPES, TRUNCATED, exclusion, status
from routectl.traffic.rows import Format, Head, Row, RowError, Skip
from routectl.traffic.tables import is_table, table_or_json_rows

NAME = "spendlogs"

_REQUIRED = ("request_id", "call_type")


def _is_spend_log(value: dict[str, object]) -> bool:
    return all(key in value for key in _REQUIRED)


def _recognises(head: Head) -> bool:
    return head.mostly(_is_spend_log) or is_table(head, *_REQUIRED)


def _request(row: Row) -> TrafficRequest | Skip:
    log = row.value
    if not isinstance(log, dict) or "request_id" not in log:
        raise RowError("not a spend log: it has no `request_id`")
    get = log.get
    call_type = name(get("call_type"))
    if call_type is not None and call_type not in CHAT_CALL_TYPES:
        return Skip(f"call type {call_type}")
    prompt = _prompt(log)
    excluded = exclusion(prompt)
    metadata = mapping(decoded(get("metadata")))
    routing = mapping(metadata.get("routing_decision"))
    row_id = text(get("request_id"))
    conversation = text(get("session_id"))
    return TrafficRequest(
        source_kind=NAME,
        source_id=row_id or row.content_id(),
        text=prompt if excluded is None else None,
        exclusion=excluded,
        time=time(_field(log, "startTime")),
        model_group=name(get("model_group")) or name(get("model")),
        call_type=call_type,
        # Older versions have no column for it.
        status=status(get("status")) or status(metadata.get("status")),
        # The text "None" stands for a call that no cache answered.
        cache_hit=bool(flag(get("cache_hit"))) if "cache_hit" in log else None,
        team=name(metadata.get("user_api_key_team_alias")) or name(get("team_id")),
        key_alias=name(metadata.get("user_api_key_alias")),
        end_user=name(get("end_user")),
        tags=names(decoded(get("request_tags"))),
        conversation=None if conversation == row_id else conversation,
        tokens_in=count(get("prompt_tokens")),
        tokens_out=count(get("completion_tokens")),
        cost=number(get("spend")),
        proxy_decision=text(routing.get("routed_model")),
        proxy_score=number(routing.get("score")),
    )


def _field(log: dict[str, object], field: str) -> object:
    """Return a field whose name a table's header, in lower case, writes another way."""
    return log.get(field, log.get(field.lower()))


def _prompt(log: dict[str, object]) -> str | None:
    """Return the last human text of the request's body, else of `messages`, which is `{}`."""
    for field in ("proxy_server_request", "messages"):
        written = decoded(log.get(field))
        if isinstance(written, str):
            # No JSON any more: a whole column that was cut, if it says so.
            prompt = written if TRUNCATED.search(written) else None
        else:
            prompt = extract(written)
        if prompt is not None:
            return prompt
    return None


FORMAT = Format(
    name=NAME,
    describe="LiteLLM SpendLogs, JSON objects, one per line or in an array, or a CSV export",
    recognises=_recognises,
    rows=lambda source: table_or_json_rows(source, *_REQUIRED),
    request=_request,
)
