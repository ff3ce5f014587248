"""Input files of OpenAI's Batch API: one request per line, with its body and its `custom_id`.

Facts of the format: docs/formats.md.
"""

from __future__ import annotations

from routectl.extraction import extract
from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic.fields import mapping, name, text
from routectl.traffic.openai import is_for_embeddings
from routectl.traffic.rows import Format, Row, RowError, Skip, json_rows

NAME = "openai-batch"

_CHAT_ENDPOINTS = ("/chat/completions", "/responses", "/completions", "/messages")


def _is_batch_line(value: dict[str, object]) -> bool:
    return "custom_id" in value and isinstance(value.get("body"), dict)


def _request(row: Row) -> TrafficRequest | Skip:
    line = row.value
    if not isinstance(line, dict) or not _is_batch_line(line):
        raise RowError("not a batch request: it has no `custom_id` and `body`")
    body = mapping(line["body"])
    url = text(line.get("url"))
    if url is not None and not url.rstrip("/").endswith(_CHAT_ENDPOINTS):
        return Skip(f"endpoint {url}")
    if is_for_embeddings(body):
        return Skip("call type embedding")
    prompt = extract(body)
    return TrafficRequest(
        source_kind=NAME,
        # A custom id is unique within its file only, and the next file may well use it again.
        source_id=row.content_id(place=text(line["custom_id"])),
        text=prompt,
        exclusion=Exclusion.NO_TEXT if prompt is None else None,
        model_group=name(body.get("model")),
        end_user=name(body.get("user")),
    )


FORMAT = Format(
    name=NAME,
    describe="OpenAI Batch API input, JSON objects with `custom_id` and `body`",
    recognises=lambda head: head.mostly(_is_batch_line),
    rows=json_rows,
    request=_request,
)
