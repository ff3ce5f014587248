"""Langfuse observations: its exports and the answers of its public API.

Facts of the format: docs/formats.md.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from routectl.extraction import extract
from routectl.needs import UNKNOWN, count_images, needs_of, response_format
from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic.fields import (
    Named,
    count,
    decoded,
    dollars,
    mapping,
    name,
    names,
    text,
    user_and_session,
)
from routectl.traffic.litellm import exclusion as exclusion_of
from routectl.traffic.making import (
    EMBEDDING,
    is_embedding,
    json_format,
    read,
    structure_of,
    time_of,
)
from routectl.traffic.rows import Row, RowError, Skip
from routectl.traffic.source import Source

NAME = "langfuse"

TRUNCATED_TEXT = "<truncated due to size exceeding limit>"
"""What the SDKs put in place of an input that is too large."""

_WRAPPERS = ("data", "observations")
"""Where a page of the public API, and the download of one trace, hold their observations."""

_EMBEDDING = re.compile(r"litellm-a?(?:embedding|rerank)", re.IGNORECASE)
"""Names that LiteLLM gives to its calls of other kinds, all of which are GENERATIONs
(litellm/integrations/langfuse/langfuse.py)."""

_SPEAKERS = "system|developer|user|assistant|tool"
_TRANSCRIPT = re.compile(rf"(?:{_SPEAKERS}): ")
_SAID = re.compile(rf"^({_SPEAKERS}): ", re.MULTILINE)
_AGNO_TURN = re.compile(r"role='(\w+)' content=('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")")


def _is_observation(value: dict[str, Any]) -> bool:
    return "id" in value and "type" in value and ("trace_id" in value or "traceId" in value)


def _within(value: object) -> list[object] | None:
    """Return what a wrapper holds; None if the value is no wrapper."""
    for key in _WRAPPERS:
        held = mapping(value).get(key)
        if isinstance(held, list) and "type" not in mapping(value):
            return held
    return None


def _holds(value: dict[str, Any]) -> bool:
    held = _within(value)
    return any(_is_observation(mapping(item)) for item in ([value] if held is None else held))


def _rows(source: Source) -> Iterator[Row]:
    for row in _BASE.rows(source):
        held = _within(row.value)
        if held is None:
            yield row
            continue
        trace = mapping(mapping(row.value).get("trace"))
        context = {key: trace[key] for key in ("sessionId", "userId", "tags") if key in trace}
        for part, item in enumerate(held):
            value = {**context, **item} if isinstance(item, dict) else item
            yield Row(row.number, _written(item) or row.raw, value, source, None, part)


def _written(item: object) -> bytes | None:
    try:
        return json.dumps(item).encode()
    except RecursionError:
        return None


def _request(row: Row) -> TrafficRequest | Skip:
    written = row.value
    if not isinstance(written, dict) or not _is_observation(written):
        raise RowError("not an observation: it has no `id`, `type` and `trace_id` or `traceId`")
    observation = Named(written)
    field = observation.get
    kind = name(written["type"])
    if kind != "GENERATION":
        return Skip(f"observation type {kind}")
    model = field("providedmodelname", "model")
    if _EMBEDDING.match(name(field("name")) or "") or is_embedding(model):
        return EMBEDDING
    turns = written.get("input")
    prompt = _prompt(turns)
    exclusion = exclusion_of(prompt)
    if prompt == TRUNCATED_TEXT:
        exclusion = Exclusion.TRUNCATED
    usage = mapping(decoded(field("usagedetails", "usage")))
    costs = mapping(decoded(field("costdetails")))
    level = name(field("level"))
    own_id, parent = text(written["id"]), text(field("parentobservationid"))
    if row.source.calls.is_repeated(own_id, parent, prompt):
        return Skip("the same call, of its framework and of its client")
    end_user, session = user_and_session(text(field("userid")))
    body = decoded(turns)
    needs = needs_of(body) if isinstance(body, dict) else UNKNOWN
    parameters = mapping(decoded(field("modelparameters")))
    return TrafficRequest(
        source_kind=NAME,
        source_id=own_id or row.content_id(),
        text=prompt if exclusion is None else None,
        exclusion=exclusion,
        time=time_of(row, field("starttime")),
        model_group=name(model),
        status=None if level is None else "failure" if level == "ERROR" else "success",
        end_user=end_user,
        tags=names(decoded(field("tags", "tracetags"))),
        # The generations of one trace come of one cause, as the turns of a session do.
        conversation=session or text(field("sessionid")) or text(field("traceid")),
        tokens_in=_tokens(row, usage, "input", field("inputusage", "prompttokens")),
        tokens_out=_tokens(row, usage, "output", field("outputusage", "completiontokens")),
        cost=read(row, "cost", dollars, field("totalcost", "calculatedtotalcost"))
        if field("totalcost", "calculatedtotalcost")
        else read(row, "cost", dollars, costs.get("total")),
        images=count_images(body) if isinstance(body, list) else needs.images,
        tools=needs.tools,
        response_format=needs.response_format or response_format(parameters),
    )


def _prompt(written: object) -> str | None:
    """Return the last human text of an input: text, JSON as text, turns, or a call's arguments."""
    value = decoded(written)
    if not isinstance(value, (dict, list, str)):
        # A text that happens to be JSON, such as a number, is what a human wrote.
        return extract(written)
    if isinstance(value, str):
        return extract(_transcript(value) or structure_of(value))
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        # Agno logs the text of its messages' Python objects.
        turns = [_agno_turn(turn) for turn in value["messages"]]
        if turns and all(turns):
            return extract(turns)
    prompt = extract(value)
    if prompt is None and isinstance(value, dict):
        # The SDKs' decorators log the arguments of the function that makes the call.
        arguments = value.get("args")
        candidates = [value.get("kwargs"), *(arguments if isinstance(arguments, list) else [])]
        prompts = (extract(structure_of(item)) for item in candidates)
        prompt = next((prompt for prompt in prompts if prompt is not None), None)
    return prompt


def _transcript(text: str) -> list[dict[str, str]] | None:
    """Return the turns of a text such as OpenLIT writes: `system: ...`, then `user: ...`."""
    if not _TRANSCRIPT.match(text):
        return None
    pieces = _SAID.split(text)[1:]
    turns = [
        {"role": role, "content": said.removesuffix("\n")}
        for role, said in zip(pieces[::2], pieces[1::2], strict=True)
    ]
    return turns if any(turn["role"] == "user" for turn in turns) else None


def _agno_turn(turn: object) -> dict[str, object] | None:
    match = _AGNO_TURN.match(turn) if isinstance(turn, str) else None
    if match is None:
        return {"role": "tool"} if isinstance(turn, str) and turn.startswith("role='") else None
    try:
        return {"role": match[1], "content": ast.literal_eval(match[2])}
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _tokens(row: Row, usage: dict[str, object], direction: str, total: object) -> int | None:
    """Return the tokens of one direction: cached, audio and other kinds have entries of their
    own, all of whose names begin with the direction."""
    parts = [count(value) or 0 for kind, value in usage.items() if kind.startswith(direction)]
    return read(row, "number of tokens", count, sum(parts) if parts else total)


_BASE = json_format(
    NAME,
    describe="Langfuse observations, JSON or CSV, from an export or the public API",
    holds=_holds,
    columns=("id", "type", "traceid"),
    request=_request,
    advice={
        Exclusion.NO_TEXT: "export the column `input`, and check that the application's tracing "
        "does not mask it",
        Exclusion.TRUNCATED: "set LANGFUSE_MAX_EVENT_SIZE_BYTES of the application higher",
        Exclusion.REDACTED: "the gateway that wrote to Langfuse redacts prompts: for LiteLLM, set "
        "`turn_off_message_logging: false` in `litellm_settings`",
    },
)
FORMAT = replace(_BASE, rows=_rows)
