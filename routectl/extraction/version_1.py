"""Extraction version 1. Released: what it returns for a body never changes.

It knows the shapes of Chat Completions, Anthropic Messages, Responses and completions.
"""

from __future__ import annotations

from collections.abc import Sequence

from routectl.extraction.texts import clean

TEXT_PARTS = ("text", "input_text")
"""`type` of the content parts that are text: Chat Completions and Anthropic, and Responses."""

BODY_KEYS = ("messages", "input", "prompt")
"""Where a body holds its conversation, in the order of asking: Chat Completions and Anthropic
Messages, Responses, completions."""


def extract(body: object) -> str | None:
    """Return the last human text of a request's conversation.

    - A conversation is a string, or a list of turns; a string among the turns counts as one that
      a human wrote. In a body it is under `messages`, `input` or `prompt`, whichever is first
      to hold something.
    - A turn is human if its role is `user`. Its text is its `content`, or the text parts of its
      `content` joined by a line break. Images, files, audio and tool results are not text, and a
      part that is blank is left out.
    - A turn without text (tool results only, images only, empty, blank) is passed over, and the
      human turn before it is asked. System, developer and assistant turns never count.
    - Nothing is stripped from a text, but a lone surrogate or NUL becomes U+FFFD, and a surrogate
      pair that arrived as two code units becomes its character. So the result encodes to UTF-8,
      and every database takes it.

    Args:
        body: A request body, its conversation alone, or any other JSON value.

    Returns:
        The text, or None where there is no human text. Never empty, never only whitespace.
        Never raises on a JSON value, however malformed or deeply nested.
    """
    for turn in reversed(_turns(body)):
        if (text := _human_text(turn)) is not None:
            return text
    return None


def _turns(body: object) -> Sequence[object]:
    if isinstance(body, dict):
        body = next((body[key] for key in BODY_KEYS if body.get(key)), None)
    return body if isinstance(body, (list, tuple)) else [body]


def _human_text(turn: object) -> str | None:
    if isinstance(turn, dict):
        turn = turn.get("content") if turn.get("role") == "user" else None
    if isinstance(turn, (list, tuple)):
        texts = [text for part in turn if (text := _part_text(part)) and not text.isspace()]
        turn = "\n".join(texts)
    if not isinstance(turn, str) or not turn or turn.isspace():
        return None
    return clean(turn)


def _part_text(part: object) -> str | None:
    if isinstance(part, dict):
        part = part.get("text") if part.get("type", "text") in TEXT_PARTS else None
    return part if isinstance(part, str) else None
