"""Rows of LMSYS-Chat-1M, WildChat and Chatbot Arena conversations.

`conversation` holds turns with `role` and `content`; of an Arena row two models answered the same
turns (`conversation_a`). One row is one request, of its last human text. Sources:
fastchat/serve/monitor/dataset_release_scripts/lmsys_chat_1m of lm-sys/FastChat, and the dataset
cards of allenai/WildChat-1M (`conversation_hash`, `timestamp`, `hashed_ip`) and
lmsys/chatbot_arena_conversations.
"""

from __future__ import annotations

from typing import Any

from routectl.request import TrafficRequest
from routectl.traffic.making import facts_of, json_format, object_of, request_of
from routectl.traffic.rows import Row

NAME = "lmsys"

_KEYS = ("conversation", "conversation_a")


def _is_row(value: dict[str, Any]) -> bool:
    return any(_is_turns(value.get(key)) for key in _KEYS)


def _is_turns(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and isinstance(value[0], dict)
        and "role" in value[0]
    )


def _request(row: Row) -> TrafficRequest:
    value = object_of(row, _is_row, "a row with a `conversation` of turns")
    turns = next(value[key] for key in _KEYS if _is_turns(value.get(key)))
    row_id = value.get("conversation_hash") or value.get("conversation_id")
    facts = facts_of(value) | {
        "id": row_id or value.get("question_id"),
        # A row is a whole conversation.
        "conversation": None,
        "end_user": value.get("hashed_ip"),
    }
    return request_of(row, NAME, turns, **facts)


FORMAT = json_format(
    NAME,
    describe="rows of LMSYS-Chat-1M, WildChat or Chatbot Arena, JSON objects with `conversation`",
    holds=_is_row,
    request=_request,
)
