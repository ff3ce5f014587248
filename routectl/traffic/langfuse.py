"""Langfuse observations: its exports and the answers of its public API.

Facts of the format: docs/formats.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from routectl.extraction import extract
from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic.fields import count, decoded, mapping, name, names, number, text, time
from routectl.traffic.rows import Format, Head, Row, RowError, Skip
from routectl.traffic.source import Source
from routectl.traffic.tables import is_table, table_or_json_rows

NAME = "langfuse"

TRUNCATED_TEXT = "<truncated due to size exceeding limit>"
"""What the SDKs put in place of an input that is too large."""

_COLUMNS = ("id", "type", "trace_id")

_WRAPPERS = ("data", "observations")
"""Where a page of the public API, and the download of one trace, hold their observations."""


def _is_observation(value: dict[str, object]) -> bool:
    return "id" in value and "type" in value and ("trace_id" in value or "traceId" in value)


def _within(value: object) -> list[object] | None:
    """Return what a wrapper holds; None if the value is no wrapper."""
    for key in _WRAPPERS:
        held = mapping(value).get(key)
        if isinstance(held, list) and "type" not in mapping(value):
            return held
    return None


def _recognises(head: Head) -> bool:
    def holds_observations(value: dict[str, object]) -> bool:
        held = _within(value)
        return any(_is_observation(mapping(item)) for item in ([value] if held is None else held))

    return head.mostly(holds_observations) or is_table(head, *_COLUMNS)


def _rows(source: Source) -> Iterator[Row]:
    for row in table_or_json_rows(source, *_COLUMNS):
        held = _within(row.value)
        if held is None:
            yield row
            continue
        trace = mapping(mapping(row.value).get("trace"))
        context = {key: trace[key] for key in ("sessionId", "userId", "tags") if key in trace}
        for item in held:
            value = {**context, **item} if isinstance(item, dict) else item
            yield Row(row.number, _written(item) or row.raw, value, source)


def _written(item: object) -> bytes | None:
    try:
        return json.dumps(item).encode()
    except RecursionError:
        return None


def _request(row: Row) -> TrafficRequest | Skip:
    observation = row.value
    if not isinstance(observation, dict) or not _is_observation(observation):
        raise RowError("not an observation: it has no `id`, `type` and `trace_id` or `traceId`")

    def field(*spellings: str) -> object:
        found = (observation.get(spelling) for spelling in spellings)
        return next((value for value in found if value not in (None, "")), None)

    kind = name(observation["type"])
    if kind != "GENERATION":
        return Skip(f"observation type {kind}")
    prompt = _prompt(field("input"))
    exclusion = Exclusion.NO_TEXT if prompt is None else None
    if prompt == TRUNCATED_TEXT:
        prompt, exclusion = None, Exclusion.TRUNCATED
    usage = mapping(decoded(field("usage_details", "usageDetails", "usage")))
    costs = mapping(decoded(field("cost_details", "costDetails")))
    level = name(field("level"))
    return TrafficRequest(
        source_kind=NAME,
        source_id=text(observation["id"]) or row.content_id(),
        text=prompt,
        exclusion=exclusion,
        time=time(field("start_time", "startTime")),
        model_group=name(field("provided_model_name", "providedModelName", "model")),
        status=None if level is None else "failure" if level == "ERROR" else "success",
        end_user=name(field("user_id", "userId")),
        tags=names(decoded(field("tags"))),
        # The generations of one trace come of one cause, as the turns of a session do.
        conversation=text(field("session_id", "sessionId")) or text(field("trace_id", "traceId")),
        tokens_in=_tokens(usage, "input", field("inputUsage", "promptTokens")),
        tokens_out=_tokens(usage, "output", field("outputUsage", "completionTokens")),
        cost=number(field("total_cost", "totalCost", "calculatedTotalCost") or costs.get("total")),
    )


def _prompt(written: object) -> str | None:
    """Return the last human text of an input: text, JSON as text, turns, or a call's arguments."""
    value = decoded(written)
    if not isinstance(value, (dict, list, str)):
        # A text that happens to be JSON, such as a number, is what a human wrote.
        return extract(written)
    prompt = extract(value)
    if prompt is None and isinstance(value, dict):
        # The SDKs' decorators log the arguments of the function that makes the call.
        arguments = value.get("args")
        candidates = [value.get("kwargs"), *(arguments if isinstance(arguments, list) else [])]
        prompt = next((found for item in candidates if (found := extract(item))), None)
    return prompt


def _tokens(usage: dict[str, object], direction: str, total: object) -> int | None:
    """Return the tokens of one direction: cached, audio and other kinds have entries of their
    own, all of whose names begin with the direction."""
    parts = [count(value) or 0 for kind, value in usage.items() if kind.startswith(direction)]
    return count(sum(parts)) if parts else count(total)


FORMAT = Format(
    name=NAME,
    describe="Langfuse observations, JSON or CSV, from an export or the public API",
    recognises=_recognises,
    rows=_rows,
    request=_request,
)
