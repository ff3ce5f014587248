"""Claude Code's session files: `~/.claude/projects/PROJECT/SESSION.jsonl`.

Lines of several types; those of type `user` that hold what somebody typed are requests. Results of
tools, what the client inserted (`isMeta`, `isCompactSummary`), the prompts that it wrote for its
own subagents (`isSidechain`) and all other types are left out. The model is on the line of the
answer, which follows, and is not read. The files are no documented interface; seen with versions
1.0 and 2.0.
"""

from __future__ import annotations

from typing import Any

from routectl.request import TrafficRequest
from routectl.traffic.fields import mapping, name
from routectl.traffic.making import json_format, object_of, request_of
from routectl.traffic.rows import Row, Skip

NAME = "claude-code"


def _is_line(value: dict[str, Any]) -> bool:
    return "sessionId" in value and "type" in value and ("uuid" in value or "message" in value)


def _is_session(value: dict[str, Any]) -> bool:
    # A session begins with lines of other types, which have no session.
    return _is_line(value) or value.get("type") in ("summary", "file-history-snapshot")


def _request(row: Row) -> TrafficRequest | Skip:
    line = object_of(row, _is_session, "a line of a session")
    kind = name(line.get("type"))
    if kind != "user":
        return Skip(f"line of type {kind}")
    if line.get("isSidechain"):
        return Skip("prompt of the client for its own agents")
    if line.get("isMeta") or line.get("isCompactSummary"):
        return Skip("text of the client")
    message = mapping(line.get("message"))
    content = message.get("content")
    if isinstance(content, list) and content and all(_is_result(part) for part in content):
        return Skip("result of a tool")
    return request_of(
        row,
        NAME,
        [message],
        body={"messages": [message]},
        id=line.get("uuid"),
        time=line.get("timestamp"),
        conversation=line.get("sessionId"),
    )


def _is_result(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") == "tool_result"


FORMAT = json_format(
    NAME,
    describe="Claude Code session files, JSON lines",
    holds=_is_session,
    request=_request,
)
