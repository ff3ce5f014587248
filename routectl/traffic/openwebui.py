"""Open WebUI's chat export: an array of chats, each with `chat.messages`.

Every message of a user was one call of the chat's models, and is one request; the chat is the
conversation. `chat.messages` is the branch that was shown; a chat that has only
`chat.history.messages` (a mapping by id) is read from there. Source: "Export All Chats" of
open-webui/open-webui (backend/open_webui/models/chats.py, v0.5 and v0.6).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from routectl.request import TrafficRequest
from routectl.traffic.envelopes import rows as unwrapped
from routectl.traffic.fields import mapping
from routectl.traffic.making import json_format, object_of, request_of
from routectl.traffic.rows import Row
from routectl.traffic.source import Source

NAME = "open-webui"


def _is_chat(value: dict[str, Any]) -> bool:
    chat = value.get("chat")
    return isinstance(chat, dict) and ("messages" in chat or "history" in chat)


def _messages(chat: dict[str, Any]) -> list[dict[str, Any]]:
    held = chat.get("messages")
    if not isinstance(held, list) or not held:
        held = list(mapping(mapping(chat.get("history")).get("messages")).values())
    return [message for message in held if isinstance(message, dict)]


def _rows(source: Source) -> Iterator[Row]:
    for row in unwrapped(source, _is_chat):
        value = row.value
        if not isinstance(value, dict) or not _is_chat(value):
            yield row
            continue
        asked = [m for m in _messages(value["chat"]) if m.get("role") == "user"]
        for part, message in enumerate(asked or [{}]):
            yield Row(row.number, row.raw, value | {"asked": message}, source, None, part)


def _request(row: Row) -> TrafficRequest:
    value = object_of(row, _is_chat, "a chat: it has no `chat` with `messages`")
    message = mapping(value.get("asked"))
    models = message.get("models") or mapping(value["chat"]).get("models")
    chat_id, own_id = value.get("id"), message.get("id")
    return request_of(
        row,
        NAME,
        [message] if message else None,
        id=f"{chat_id}/{own_id}" if chat_id and own_id else None,
        time=message.get("timestamp") or value.get("created_at"),
        model_group=models[0] if isinstance(models, list) and models else None,
        end_user=value.get("user_id"),
        tags=mapping(value.get("meta")).get("tags"),
        conversation=chat_id,
    )


FORMAT = replace(
    json_format(
        NAME,
        describe="Open WebUI's chat export, an array of chats",
        holds=_is_chat,
        request=_request,
    ),
    rows=_rows,
)
