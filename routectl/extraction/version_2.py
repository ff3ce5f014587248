"""Extraction version 2: more shapes of a conversation, and no text that a client injects.

More than version 1, it reads Gemini's `contents`, OpenTelemetry's GenAI `parts`, LangChain's
and LangGraph's messages (as they are, by `type`, and as constructors), Semantic Kernel, ShareGPT,
content as an object, roles in capitals, and a conversation that is itself written as JSON text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from routectl.extraction.harness import human_part, is_plain
from routectl.extraction.texts import clean

BODY_KEYS = ("messages", "input", "prompt", "contents")
"""Where a body holds its conversation, in the order of asking: Chat Completions and Anthropic
Messages, Responses, completions, Gemini."""

_HUMAN = frozenset({"user", "human", "humanmessage", "humanmessagechunk", "authorrole.user"})
"""Roles of a human turn, in lower case."""

_TEXT_TYPES = frozenset({"text", "input_text", "textcontent"})
"""`type` of the content parts that are text, in lower case: Chat Completions, Anthropic and
OpenTelemetry; Responses; Semantic Kernel."""

_CONTENTS = ("content", "parts", "text", "value", "items", "Content", "Items")
"""Where a turn holds what was said: most of them; Gemini and OpenTelemetry; AutoGen; ShareGPT;
Semantic Kernel."""

_TEXTS = ("text", "content", "Text")
"""Where a part holds its text."""

_DEEPEST = 8
_STRUCTURE = re.compile(r"\s*(?:\{\s*\"|\[\s*\{\s*\")")


def extract(body: object) -> str | None:
    """Return the last human text of a request's conversation.

    - A conversation is a string, or a list of turns; a string among the turns counts as one that
      a human wrote. In a body it is under the first of `BODY_KEYS` that holds something.
    - A turn is human if its role is `user` or `human`, in whatever case and field its shape has
      for it. Its text is its content, or the text parts of its content joined by a line break.
      Images, files, audio and tool results are not text, and a part that is blank is left out.
    - What a client's harness injects is not human text, and of what it wraps only the inside is:
      see `harness`. Placeholders of things that are not text are none either.
    - A text that is as a whole a body or a list of turns, in JSON, is read as that.
    - A turn without text (tool results only, images only, empty, blank, injected) is passed over,
      and the human turn before it is asked. System, developer and assistant turns never count.
    - Nothing else is stripped from a text, but a lone surrogate or NUL becomes U+FFFD, and a
      surrogate pair that arrived as two code units becomes its character.

    Args:
        body: A request body, its conversation alone, or any other JSON value.

    Returns:
        The text, or None where there is no human text. Never empty, never only whitespace.
        Never raises on a JSON value, however malformed or deeply nested.
    """
    return _last(body, _DEEPEST)


def extract_first(body: object) -> str | None:
    """Return the first human text of a request's conversation.

    As `extract` reads it, from the other end: while a conversation grows, it stays the same.
    """
    return _first(body, _DEEPEST)


def holds_turns(value: object) -> bool:
    """Tell whether a value is a body or a list of turns: structure, and no text that a human
    wrote."""
    if isinstance(value, dict):
        if _role(value) is not None and any(key in value for key in _CONTENTS):
            return True
        inside = next((value[key] for key in BODY_KEYS if value.get(key)), None)
        return "model" in value if isinstance(inside, str) else holds_turns(inside)
    if isinstance(value, (list, tuple)) and value:
        first = value[0]
        if isinstance(first, (list, tuple)):
            return bool(first) and isinstance(first[0], dict) and _role(first[0]) is not None
        return isinstance(first, dict) and (_role(first) is not None or "parts" in first)
    return False


def _last(body: object, depth: int) -> str | None:
    if depth <= 0:
        return None
    for turn in reversed(body if type(body) is list else _turns(body)):
        if type(turn) is dict:
            # Nearly all turns: as quickly as can be, because a log has millions of them.
            role = turn.get("role")
            if role == "assistant" or role == "system":
                continue
            content = turn.get("content") if role == "user" else None
            if type(content) is str and content and is_plain(content) and not content.isspace():
                return clean(content)
        # A list: LangChain's batch of conversations, of which a chat model's call has one.
        text = _last(turn, depth - 1) if type(turn) is list else _human_text(turn, depth)
        if text is not None:
            return text
    return None


def _first(body: object, depth: int) -> str | None:
    if depth <= 0:
        return None
    for turn in body if type(body) is list else _turns(body):
        is_list = type(turn) is list
        text = _first(turn, depth - 1) if is_list else _human_text(turn, depth, _first)
        if text is not None:
            return text
    return None


_Inside = Callable[[object, int], str | None]
"""Which human text of a conversation is taken that is itself written as a text."""


def _turns(body: object) -> Sequence[object]:
    if isinstance(body, dict):
        inside = next((body[key] for key in BODY_KEYS if body.get(key)), None)
        if inside is None and _role(body) is not None:
            return [body]
        body = inside
    return body if isinstance(body, (list, tuple)) else [body]


def _role(turn: dict[Any, Any]) -> str | None:
    """Return who speaks, in lower case; None where the object does not say so as a turn does."""
    role = turn.get("role")
    if type(role) is str:
        return role if role == "user" else role.lower()
    if "Role" in turn:  # Semantic Kernel for .NET
        role = turn["Role"]
    if isinstance(role, dict):
        role = role.get("label") or role.get("Label")
    if role is None:
        role = turn.get("from")  # ShareGPT
    if role is None and isinstance(turn.get("author"), dict):
        role = turn["author"].get("role")  # ChatGPT's export
    if role is None and turn.get("type") == "constructor":
        path = turn.get("id")  # LangChain, serialised
        role = path[-1] if isinstance(path, list) and path else None
    if role is None and any(key in turn for key in ("content", "data")):
        role = turn.get("type")  # LangGraph, and LangChain's messages_to_dict
    return role.lower() if isinstance(role, str) else None


def _human_text(turn: object, depth: int, inside: _Inside = _last) -> str | None:
    if isinstance(turn, dict):
        turn = _said(turn)
    if isinstance(turn, (list, tuple)):
        texts = (_part_text(part, depth, inside) for part in turn)
        turn = "\n".join(text for text in texts if text and not text.isspace())
    elif isinstance(turn, dict):
        turn = _part_text(turn, depth, inside)
    elif isinstance(turn, str):
        turn = _written(turn, depth, inside)
    if not isinstance(turn, str) or not turn or turn.isspace():
        return None
    return clean(turn)


def _said(turn: dict[Any, Any]) -> object:
    """Return the content of a human turn; None of any other."""
    role = _role(turn)
    if role not in _HUMAN and not (role is None and "parts" in turn):  # Gemini may leave it out
        return None
    for key in ("kwargs", "data"):  # LangChain's constructors and messages_to_dict
        if "content" not in turn and isinstance(turn.get(key), dict):
            turn = turn[key]
    content = turn.get("content")
    return content or next((turn[key] for key in _CONTENTS if turn.get(key)), None)


def _part_text(part: object, depth: int, inside: _Inside) -> str | None:
    if isinstance(part, dict):
        kind = part.get("type", part.get("$type"))
        if kind is not None and str(kind).lower() not in _TEXT_TYPES:
            return None
        if part.get("thought") is True:
            return None
        parts = part.get("parts")
        if isinstance(parts, list):
            part = "\n".join(text for text in parts if isinstance(text, str))
        else:
            part = next((part[key] for key in _TEXTS if part.get(key)), None)
    return _written(part, depth, inside) if isinstance(part, str) else None


def _written(text: str, depth: int, inside: _Inside) -> str | None:
    """Return the human part of a text, or one of the human texts of the conversation that it is."""
    if not text:
        return None
    if is_plain(text):
        return text
    if _STRUCTURE.match(text):
        value = _parsed(text)
        if value is not None and holds_turns(value):
            return inside(value, depth - 1)
    return human_part(text)


def _parsed(text: str) -> object:
    try:
        return orjson.loads(text)
    except ValueError:
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
