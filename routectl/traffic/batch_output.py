"""Results of a batch: answers without their prompts, so that none can be read.

OpenAI's Batch API writes `{"id", "custom_id", "response", "error"}` a line, Anthropic's Message
Batches `{"custom_id", "result"}`. Sources: OpenAI's Batch API guide, Anthropic's API reference.
"""

from __future__ import annotations

from typing import Any

from routectl.traffic.making import json_format
from routectl.traffic.rows import Row, RowError

NAME = "batch-output"


def _is_result(value: dict[str, Any]) -> bool:
    return (
        "custom_id" in value
        and ("response" in value or "result" in value)
        and "body" not in value
        and "params" not in value
    )


def _request(row: Row) -> Any:
    raise RowError("a batch's result, which has no prompt")


FORMAT = json_format(
    NAME,
    describe="results of a batch: told apart from its input, and not read",
    holds=_is_result,
    request=_request,
    refusal="it is the output of a batch, which has no prompts: give the input file",
)
