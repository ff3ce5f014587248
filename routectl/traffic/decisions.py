"""What `routectl serve --log` writes: a decision a line, with what became of the call.

The prompt, where it is logged, is the request's last human text, so it is not extracted a second
time unless another version of the extraction made it.
"""

from __future__ import annotations

from typing import Any

from msgspec import structs

from routectl.extraction import EXTRACTION_VERSION, clean, extract
from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic.fields import count, name, number, text
from routectl.traffic.making import json_format, object_of, request_of
from routectl.traffic.rows import Row, RowError

NAME = "routectl"

FORMAT_NAME, NEWEST = "routectl-decision", 1


def _is_row(value: dict[str, Any]) -> bool:
    return value.get("format") == FORMAT_NAME


def _request(row: Row) -> TrafficRequest:
    value = object_of(row, _is_row, "a decision of `routectl serve`")
    version = value.get("version")
    if type(version) is not int or version > NEWEST:
        raise RowError("a decision that a newer routectl wrote: install it to read this log")
    prompt, made_with = value.get("prompt"), count(value.get("extraction_version"))
    if prompt is not None:
        prompt = clean(str(prompt)) if made_with == EXTRACTION_VERSION else extract(str(prompt))
    exclusion = None
    if prompt is None or not prompt.strip():
        prompt, exclusion = None, Exclusion.NO_TEXT
        if "prompt" not in value and value.get("reason") != "no_text":
            exclusion = Exclusion.REDACTED
    request = request_of(
        row,
        NAME,
        None,
        exclusion=exclusion or Exclusion.NO_TEXT,
        id=value.get("id"),
        time=value.get("time"),
        model_group=value.get("route"),
        call_type=value.get("call_type"),
        status=value.get("status"),
        team=value.get("team"),
        key_alias=value.get("key_alias"),
        end_user=value.get("end_user"),
        conversation=value.get("conversation"),
        call_id=value.get("request_id"),
        tokens_in=value.get("tokens_in"),
        tokens_out=value.get("tokens_out"),
    )
    return structs.replace(
        request,
        text=prompt,
        exclusion=exclusion,
        model=name(value.get("model")),
        proxy_decision=name(value.get("decision")),
        proxy_score=number(value.get("score")),
        proxy_fingerprint=name(value.get("fingerprint")),
        proxy_route=name(value.get("route")),
        proxy_activation=name(value.get("activation")),
        proxy_model=name(value.get("model")),
        proxy_reason=name(value.get("reason")),
        proxy_extraction_version=made_with,
        proxy_would_be=name(value.get("would_be")),
        proxy_would_be_reason=name(value.get("would_be_reason")),
        images=count(value.get("images")),
        tools=count(value.get("tools")),
        response_format=text(value.get("response_format")),
    )


FORMAT = json_format(
    NAME,
    describe="decisions of `routectl serve`, JSON objects",
    holds=_is_row,
    request=_request,
    advice={Exclusion.REDACTED: "start `routectl serve` with --log-prompts"},
)
