"""ShareGPT conversations: `{"id": ..., "conversations": [{"from": "human", "value": ...}]}`.

One conversation is one request, of its last human text. The shape is that of FastChat's
`data/dummy_conversation.json` (lm-sys/FastChat); `from` is `human` or `user`, `gpt`, `system`.
"""

from __future__ import annotations

from typing import Any

from routectl.request import TrafficRequest
from routectl.traffic.making import facts_of, json_format, object_of, request_of
from routectl.traffic.rows import Row

NAME = "sharegpt"


def _is_conversation(value: dict[str, Any]) -> bool:
    turns = value.get("conversations")
    return isinstance(turns, list) and (
        not turns or (isinstance(turns[0], dict) and ("from" in turns[0] or "role" in turns[0]))
    )


def _request(row: Row) -> TrafficRequest:
    value = object_of(row, _is_conversation, "a conversation: it has no `conversations`")
    facts = facts_of(value, row.around)
    return request_of(row, NAME, value["conversations"], **facts)


FORMAT = json_format(
    NAME,
    describe="ShareGPT conversations, JSON objects with `conversations`",
    holds=_is_conversation,
    request=_request,
)
