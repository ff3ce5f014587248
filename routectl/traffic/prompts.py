"""JSON objects with a prompt and no model: data sets, and logs that somebody made.

The prompt is under `prompt`, `query`, `question` or `input`, as a text or as turns, and other
facts under their usual names in the same object. Seen: vLLM's custom dataset (`{"prompt": ...}`,
docs/benchmarking/cli.md of vllm-project/vllm).
"""

from __future__ import annotations

from typing import Any

from routectl.request import TrafficRequest
from routectl.traffic.making import facts_of, json_format, object_of, request_of
from routectl.traffic.openai import own_id
from routectl.traffic.rows import Row

NAME = "prompts"

KEYS = ("prompt", "query", "question", "input")


def _asked(value: dict[str, Any]) -> Any:
    return next((value[key] for key in KEYS if value.get(key)), None)


def _has_prompt(value: dict[str, Any]) -> bool:
    return any(isinstance(value.get(key), (str, list)) for key in KEYS)


def _request(row: Row) -> TrafficRequest:
    value = object_of(row, _has_prompt, f"an object with {', '.join(KEYS)}")
    facts = facts_of(value, row.around)
    facts["id"] = own_id(value)
    return request_of(row, NAME, _asked(value), **facts)


FORMAT = json_format(
    NAME,
    describe=f"JSON objects with one of {', '.join(KEYS)}",
    holds=_has_prompt,
    request=_request,
)
