"""What a request asks of the model that answers it, besides text.

A model that cannot take images, tools or a response format cannot answer such a request, whatever
its score is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

_IMAGES = frozenset({"image_url", "input_image", "image"})
"""`type` of the parts that are images: Chat Completions, Responses, Anthropic."""


class Needs(NamedTuple):
    """Of one request; None where it needs none, and where the log does not say."""

    images: int | None = None
    """Images anywhere in the conversation, in tools' results too: all of it goes to the model."""
    tools: int | None = None
    """Tools that the model is offered."""
    response_format: str | None = None
    """json_object, json_schema, ...; None also where plain text is asked for."""


UNKNOWN = Needs()


def needs_of(body: Mapping[str, object]) -> Needs:
    """Return what a request body asks for, of any of the APIs that `extraction` knows."""
    turns = body.get("messages") or body.get("input") or body.get("contents")
    return Needs(count_images(turns), _tools(body), response_format(body))


def count_images(turns: object) -> int | None:
    """Return how many images a conversation holds, in tools' results too; None for none."""
    if not isinstance(turns, list):
        return None
    images = 0
    # Most turns are text, and a log has many.
    held: list[Any] = [t for t in turns if type(t) is dict and type(t.get("content")) is not str]
    while held:
        value = held.pop()
        if type(value) is dict:
            if _is_image(value):
                images += 1
                continue
            value = value.values()
        held.extend(part for part in value if type(part) is dict or type(part) is list)
    return images or None


def _is_image(part: Mapping[str, object]) -> bool:
    kind = part.get("type")
    if kind in _IMAGES if isinstance(kind, str) else isinstance(part.get("image"), dict):
        return True
    for key in ("inlineData", "inline_data", "fileData", "file_data"):  # Gemini
        data = part.get(key)
        if isinstance(data, dict):
            kind = data.get("mimeType", data.get("mime_type"))
            return isinstance(kind, str) and kind.startswith("image/")
    return False


def count_tools(tools: object) -> int | None:
    """Return how many tools a list of them has; None for none. Gemini holds several in each of its
    entries."""
    if not isinstance(tools, list):
        return None
    count = 0
    for tool in tools:
        declared = None
        if isinstance(tool, dict):
            declared = tool.get("functionDeclarations") or tool.get("function_declarations")
        count += len(declared) if isinstance(declared, list) else 1
    return count or None


def _tools(body: Mapping[str, object]) -> int | None:
    tools = body.get("tools") or body.get("functions")
    config = body.get("toolConfig")  # Bedrock's Converse
    if not tools and isinstance(config, dict):
        tools = config.get("tools")
    return count_tools(tools)


def response_format(body: Mapping[str, object]) -> str | None:
    """Return the response format that a body asks for; None for plain text."""
    asked = body.get("response_format") or body.get("output_format")
    for outer in ("text", "output_config"):  # Responses; Anthropic
        inside = body.get(outer)
        if not asked and isinstance(inside, dict):
            asked = inside.get("format")
    if isinstance(asked, dict):
        asked = asked.get("type")
    config = body.get("generationConfig") or body.get("generation_config")  # Gemini
    if not asked and isinstance(config, dict):
        if config.get("responseSchema") or config.get("responseJsonSchema"):
            asked = "json_schema"
        elif config.get("responseMimeType") == "application/json":
            asked = "json_object"
    return asked[:64] if isinstance(asked, str) and asked and asked != "text" else None


BYTES_PER_TOKEN = 3
"""Of UTF-8, at least, in prose, code and most scripts: tokens are counted too high rather than too
low, because a request that does not fit is an error."""
_MOST_OUTPUT = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_NO_TEXT = {
    "data": ("media_type", "mimeType", "mime_type", "format"),
    "file_data": ("filename", "type"),
    "encrypted_content": ("type",),
}
"""Keys whose values are no text that a model reads as tokens, with the keys of the same part that
tell so: a tool may call its text `data`."""
_LONGEST_HEAD = 200


def about_tokens(body: object) -> int:
    """Return about how many tokens a request takes of a model's context, its answer included."""
    length, held = 0, [body]
    while held:
        value = held.pop()
        if isinstance(value, str):
            length += 0 if _is_data_url(value) else len(value.encode("utf-8", "replace"))
        elif isinstance(value, dict):
            for key, inside in value.items():
                if not _is_no_text(key, value):
                    held.append(inside)
                length += len(str(key))
        elif isinstance(value, (list, tuple)):
            held.extend(value)
    asked = [body.get(key) for key in _MOST_OUTPUT] if isinstance(body, dict) else []
    output = max((n for n in asked if type(n) is int and 0 < n < 10**9), default=0)
    return -(-length // BYTES_PER_TOKEN) + output


def _is_no_text(key: str, part: Mapping[str, object]) -> bool:
    companions = [part[name] for name in _NO_TEXT.get(key, ()) if name in part]
    return bool(companions) and not str(companions[0]).startswith("text/")


def _is_data_url(text: str) -> bool:
    """Whether a string is an image or another file, written out."""
    return text.startswith("data:") and ";base64," in text[:_LONGEST_HEAD]
