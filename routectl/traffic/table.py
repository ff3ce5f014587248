"""CSV with a header: one request per record, its columns under any of their usual names.

Facts of the format: docs/formats.md.
"""

from __future__ import annotations

from routectl.extraction import extract
from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic.fields import count, decoded, flag, mapping, name, names, number, text, time
from routectl.traffic.litellm import status
from routectl.traffic.rows import Format, Head, Row
from routectl.traffic.tables import header, table_rows

NAME = "csv"

COLUMNS: dict[str, tuple[str, ...]] = {
    "prompt": ("prompt", "text", "content", "query", "question", "input", "messages"),
    "time": ("time", "timestamp", "created_at", "start_time", "starttime", "date"),
    "conversation": (
        "conversation",
        "conversation_id",
        "session",
        "session_id",
        "thread_id",
        "trace_id",
    ),
    "model_group": ("model_group", "model"),
    "team": ("team", "team_alias", "team_id"),
    "key_alias": ("key_alias", "api_key_alias"),
    "end_user": ("end_user", "user", "user_id"),
    "tags": ("tags", "request_tags"),
    "call_id": ("call_id", "litellm_call_id"),
    "status": ("status",),
    "cache_hit": ("cache_hit",),
    "tokens_in": ("tokens_in", "prompt_tokens", "input_tokens"),
    "tokens_out": ("tokens_out", "completion_tokens", "output_tokens"),
    "cost": ("cost", "spend", "response_cost"),
    "id": ("id", "request_id"),
}
"""For each field, the names of its column; the first that a record fills counts."""


def _is_csv(head: Head) -> bool:
    columns = header(head.rows[0])
    # A line of one word may be a prompt.
    return columns == ["prompt"] or (
        len(columns) > 1 and not set(COLUMNS["prompt"]).isdisjoint(columns)
    )


def _request(row: Row) -> TrafficRequest:
    record = mapping(row.value)

    def cell(field: str) -> object:
        return next((record[name] for name in COLUMNS[field] if name in record), None)

    written = cell("prompt")
    prompt = extract(decoded(written) if written is record.get("messages") else written)
    tags = cell("tags")
    row_id = text(cell("id"))
    return TrafficRequest(
        source_kind=NAME,
        # A number counts the rows of one table, and is no id beyond it.
        source_id=row.content_id(place=row_id) if not row_id or row_id.isdigit() else row_id,
        text=prompt,
        exclusion=Exclusion.NO_TEXT if prompt is None else None,
        time=time(cell("time")),
        model_group=name(cell("model_group")),
        status=status(cell("status")),
        cache_hit=flag(cell("cache_hit")),
        team=name(cell("team")),
        key_alias=name(cell("key_alias")),
        end_user=name(cell("end_user")),
        tags=names(decoded(tags)) or names(str(tags or "").split(",")),
        conversation=text(cell("conversation")),
        call_id=text(cell("call_id")),
        tokens_in=count(cell("tokens_in")),
        tokens_out=count(cell("tokens_out")),
        cost=number(cell("cost")),
    )


FORMAT = Format(
    name=NAME,
    describe="CSV with a header that has a column `prompt` or `text`",
    recognises=_is_csv,
    rows=table_rows,
    request=_request,
)
