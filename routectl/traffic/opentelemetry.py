"""OpenTelemetry's spans of GenAI calls, as OTLP JSON.

What the collector's file exporter writes: `{"resourceSpans": [{"scopeSpans": [{"spans": [...]}]}]}`
a line; spans one a line are read, too, and so are log records (`resourceLogs`), which hold the
event `gen_ai.client.inference.operation.details` of newer instrumentations. A call of a model is a
span with `gen_ai.operation.name` of `chat`, `generate_content` or `text_completion`. Its
conversation is the attribute `gen_ai.input.messages` (semantic conventions 1.37 and later, opt-in),
an event of the span with that attribute or named `gen_ai.user.message`, or flat attributes
`gen_ai.prompt.N.content` (OpenLLMetry) and `llm.input_messages.N` (OpenInference). Sources:
docs/gen-ai of open-telemetry/semantic-conventions, opentelemetry-proto 1.x's JSON encoding, and
the semantic conventions of traceloop/openllmetry.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic import openinference
from routectl.traffic.envelopes import rows as unwrapped
from routectl.traffic.fields import Named, mapping, name, text
from routectl.traffic.making import json_format, object_of, request_of, structure_of
from routectl.traffic.rows import Row, Skip
from routectl.traffic.source import Source
from routectl.traffic.spans import attributes_of, indexed

NAME = "opentelemetry"

_CALLS = frozenset({"chat", "generate_content", "text_completion", "completion"})
_MESSAGES = ("gen_ai.input.messages", "gen_ai.prompt", "input.messages")


_LEVELS = (
    ("resourceSpans", ("scopeSpans", "instrumentationLibrarySpans"), "spans"),
    ("resourceLogs", ("scopeLogs",), "logRecords"),
)
"""How OTLP nests spans, and the log records that hold events."""


def _is_span(value: dict[str, Any]) -> bool:
    times = ("startTimeUnixNano", "start_time_unix_nano", "timeUnixNano", "observedTimeUnixNano")
    return (
        ("spanId" in value or "span_id" in value)
        and any(key in value for key in times)
        and "attributes" in value
    )


def _is_nested(value: dict[str, Any]) -> bool:
    return any(isinstance(value.get(outer), list) for outer, _, _ in _LEVELS)


def _is_trace(value: dict[str, Any]) -> bool:
    return _is_nested(value) or _is_span(value)


def _spans(trace: dict[str, Any]) -> Iterator[object]:
    for outer, scopes, inner in _LEVELS:
        for resource in _list(trace.get(outer)):
            for key in scopes:
                for scope in _list(mapping(resource).get(key)):
                    yield from _list(mapping(scope).get(inner))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _rows(source: Source) -> Iterator[Row]:
    for row in unwrapped(source, _is_trace):
        value = row.value
        if not isinstance(value, dict) or not _is_nested(value):
            yield row
            continue
        for part, span in enumerate(_spans(value)):
            yield Row(row.number, row.raw, span, source, None, part)


def _request(row: Row) -> TrafficRequest | Skip:
    span = object_of(row, _is_span, "a span: it has no `spanId` and `startTimeUnixNano`")
    attributes = attributes_of(span.get("attributes"))
    operation = name(attributes.get("gen_ai.operation.name"))
    turns = _turns(span, attributes)
    kind = attributes.get("openinference.span.kind") or attributes.get("llm.request.type")
    if operation is not None and operation not in _CALLS:
        return Skip(f"operation {operation}")
    if operation is None and str(kind).lower() not in ("llm", "chat", "completion"):
        return Skip("span of another kind")
    held = Named(span)
    request = request_of(
        row,
        NAME,
        turns,
        id=held.get("spanid"),
        time=held.get("starttimeunixnano", "timeunixnano", "observedtimeunixnano"),
        model_group=attributes.get("gen_ai.request.model")
        or attributes.get("gen_ai.response.model")
        or attributes.get("llm.model_name"),
        status=_status(mapping(span.get("status")).get("code")),
        end_user=attributes.get("user.id") or attributes.get("enduser.id"),
        conversation=attributes.get("gen_ai.conversation.id")
        or attributes.get("session.id")
        or held.get("traceid"),
        tokens_in=attributes.get("gen_ai.usage.input_tokens")
        or attributes.get("gen_ai.usage.prompt_tokens")
        or attributes.get("llm.token_count.prompt"),
        tokens_out=attributes.get("gen_ai.usage.output_tokens")
        or attributes.get("gen_ai.usage.completion_tokens")
        or attributes.get("llm.token_count.completion"),
        cost=attributes.get("gen_ai.usage.cost"),
    )
    parent = text(held.get("parentspanid"))
    if row.source.calls.is_repeated(text(held.get("spanid")), parent, request.text):
        return Skip("the same call, of its framework and of its client")
    return request


def _status(code: object) -> str | None:
    if code in (2, "STATUS_CODE_ERROR"):
        return "failure"
    return "success" if code in (1, "STATUS_CODE_OK") else None


def _turns(span: dict[str, Any], attributes: dict[str, Any]) -> object:
    for key in _MESSAGES:
        if attributes.get(key):
            return structure_of(attributes[key])
    flat = indexed(attributes, "gen_ai.prompt.")
    if flat:
        return [{"role": turn.get("role"), "content": turn.get("content")} for turn in flat]
    events = span.get("events")
    said: list[object] = []
    for event in events if isinstance(events, list) else []:
        held = attributes_of(mapping(event).get("attributes"))
        for key in _MESSAGES:
            if held.get(key):
                return structure_of(held[key])
        if mapping(event).get("name") == "gen_ai.user.message":
            said.append({"role": "user", "content": held.get("content")})
    return said or openinference.turns_of(attributes)


FORMAT = replace(
    json_format(
        NAME,
        describe="OpenTelemetry spans of GenAI calls, OTLP JSON",
        holds=_is_trace,
        request=_request,
        advice={
            Exclusion.NO_TEXT: "instrumentations leave prompts out unless they are told: set "
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=span_only (or true), for "
            "OpenLLMetry TRACELOOP_TRACE_CONTENT=true"
        },
    ),
    rows=_rows,
)
