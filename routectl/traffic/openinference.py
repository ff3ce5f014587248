"""OpenInference spans, as Arize Phoenix exports them: JSON, or a data frame's columns.

`span_kind` is `LLM` for a call of a model. Its messages are `llm.input_messages`, each with
`message.role` and `message.content` or `message.contents`; attributes are nested or dotted, in an
object `attributes`, or as columns of a data frame (`attributes.llm.input_messages`). Source:
spec/llm_spans.md and semantic_conventions.md of Arize-ai/openinference; Phoenix's
`get_spans_dataframe` and its REST API's spans.
"""

from __future__ import annotations

from typing import Any

from routectl.request import TrafficRequest
from routectl.traffic.fields import Named, mapping, text
from routectl.traffic.making import json_format, object_of, request_of, structure_of
from routectl.traffic.rows import Row, Skip
from routectl.traffic.spans import attributes_of, indexed

NAME = "openinference"


def _attributes(span: dict[str, Any]) -> dict[str, Any]:
    columns = {
        key.removeprefix("attributes."): value
        for key, value in span.items()
        if key.startswith("attributes.")
    }
    return attributes_of(structure_of(span.get("attributes"))) | attributes_of(columns)


def _kind(span: dict[str, Any]) -> object:
    kind = span.get("span_kind") or span.get("spanKind")
    return kind or (
        _attributes(span).get("openinference.span.kind") if "attributes" in span else None
    )


def _is_span(value: dict[str, Any]) -> bool:
    kind = _kind(value)
    return (
        isinstance(kind, str)
        and not kind.startswith("SPAN_KIND")
        and any(key.split(".")[0] in ("context", "attributes", "spanId", "id") for key in value)
    )


def turns_of(attributes: dict[str, Any]) -> object:
    """Return the conversation that OpenInference's attributes hold."""
    written = structure_of(attributes.get("llm.input_messages"))
    messages = written if isinstance(written, list) else None
    if messages is None:
        messages = indexed(attributes, "llm.input_messages.")
    if messages:
        return [_turn(attributes_of(mapping(message))) for message in messages]
    return attributes.get("llm.prompts") or attributes.get("input.value")


def _turn(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("message.content")
    contents = message.get("message.contents")
    parts = contents if isinstance(contents, list) else indexed(message, "message.contents.")
    if not content and parts:
        content = [
            {"type": flat.get("message_content.type"), "text": flat.get("message_content.text")}
            for flat in (attributes_of(mapping(part)) for part in parts)
        ]
    return {"role": message.get("message.role"), "content": content}


def _request(row: Row) -> TrafficRequest | Skip:
    span = object_of(row, _is_span, "a span: it has no `span_kind`")
    kind = str(_kind(span)).upper()
    if kind != "LLM":
        return Skip(f"span kind {kind}")
    attributes = _attributes(span)
    context = mapping(span.get("context"))
    named = Named(span)
    status = str(named.get("statuscode") or "").upper()
    return request_of(
        row,
        NAME,
        turns_of(attributes),
        id=text(context.get("span_id")) or named.get("contextspanid", "spanid", "id"),
        time=named.get("starttime"),
        model_group=attributes.get("llm.model_name"),
        status="failure" if status.endswith("ERROR") else "success" if status else None,
        end_user=attributes.get("user.id"),
        tags=attributes.get("tag.tags"),
        conversation=attributes.get("session.id")
        or context.get("trace_id")
        or named.get("contexttraceid", "traceid"),
        tokens_in=attributes.get("llm.token_count.prompt"),
        tokens_out=attributes.get("llm.token_count.completion"),
        cost=attributes.get("llm.cost.total"),
    )


FORMAT = json_format(
    NAME,
    describe="OpenInference spans, as Arize Phoenix exports them, JSON or a table",
    holds=_is_span,
    columns=("contextspanid", "spankind"),
    request=_request,
)
