"""Requests in the shapes of all APIs, and an upstream that answers them."""

from __future__ import annotations

import json
import secrets
from typing import Any

from tests.loopback_server import Fault, LoopbackHandler, LoopbackServer, Request

FAILS = "the strong model fails"
"""A request with this text is one that the strong model does not answer."""


class Upstream(LoopbackHandler):
    """Answers with the name of the model that was asked, as Chat Completions or Responses."""

    server: LoopbackServer

    def respond(self, request: Request, fault: Fault | None) -> None:
        if FAILS in json.dumps(request) and request["model"] == "large":
            self.answer(500)
            return
        is_response = self.path.endswith("/responses")
        answer = response_of(request) if is_response else completion_of(request)
        if not request.get("stream"):
            self.answer(200, json.dumps(answer).encode(), content_type="application/json")
            return
        events = response_events(answer) if is_response else completion_events(answer)
        if (request.get("stream_options") or {}).get("include_usage"):
            events.append({**events[-1], "choices": [], "usage": answer["usage"]})
        text = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
        done = "" if is_response else "data: [DONE]\n\n"
        self.answer(200, f"{text}{done}".encode(), content_type="text/event-stream")


def completion_of(request: Request) -> dict[str, Any]:
    said = {"role": "assistant", "content": f"from {request['model']}"}
    return {
        "id": f"chatcmpl-{secrets.token_hex(8)}",
        "object": "chat.completion",
        "created": 1,
        "model": request["model"],
        "choices": [{"index": 0, "finish_reason": "stop", "message": said}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def completion_events(answer: dict[str, Any]) -> list[dict[str, Any]]:
    base = {key: answer[key] for key in ("id", "created", "model")}
    said = answer["choices"][0]["message"]
    return [
        {**base, "object": "chat.completion.chunk", "choices": [choice]}
        for choice in (
            {"index": 0, "delta": said, "finish_reason": None},
            {"index": 0, "delta": {}, "finish_reason": "stop"},
        )
    ]


def response_of(request: Request) -> dict[str, Any]:
    part = {"type": "output_text", "text": f"from {request['model']}", "annotations": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
    return {
        "id": f"resp_{secrets.token_hex(8)}",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": request["model"],
        "output": [{**item, "content": [part]}],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 1,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 1,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 2,
        },
    }


def response_events(answer: dict[str, Any]) -> list[dict[str, Any]]:
    (item,) = answer["output"]
    (part,) = item["content"]
    begun = {**answer, "status": "in_progress", "output": [], "usage": None}
    place = {"output_index": 0, "item_id": item["id"], "content_index": 0}
    empty = {**item, "status": "in_progress", "content": []}
    events = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": empty},
        {"type": "response.content_part.added", **place, "part": {**part, "text": ""}},
        {"type": "response.output_text.delta", **place, "delta": part["text"]},
        {"type": "response.output_text.done", **place, "text": part["text"]},
        {"type": "response.content_part.done", **place, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": answer},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


Asked = tuple[str, dict[str, Any]]
"""A path and a body."""
LIE = {"decision": "strong", "score": 1.0, "fingerprint": "f" * 64, "reason": "spoofed"}
APIS = ("chat", "chat", "messages", "messages", "responses", "responses")


def asked_by(number: int, text: str) -> Asked:
    """A text as the last human one: each API, plain and as a stream, in each shape of turns; every
    fifth claims a decision."""
    api, shape = APIS[number % len(APIS)], number // len(APIS) % 4
    earlier = [{"role": "user", "content": "first"}, {"role": "assistant", "content": "yes"}]
    kind = "input_text" if api == "responses" else "text"
    turn: dict[str, Any] = {"role": "user", "content": text}
    turns = [
        [turn],
        [*earlier, turn],
        [{"role": "user", "content": [{"type": kind, "text": text}]}],
        [turn, *TOOL_TURNS[api]],
    ][shape]
    body: dict[str, Any] = {"model": "smart", "stream": number % 2 == 1}
    if api == "responses":
        body["input"] = text if shape == 0 else turns
    else:
        body["messages"] = turns
    if api == "messages":
        body["max_tokens"] = 20
    if number % 5 == 0:
        body["litellm_metadata" if number % 2 else "metadata"] = {
            "spend_logs_metadata": {"routectl": LIE}
        }
    return {"chat": "/v1/chat/completions"}.get(api, f"/v1/{api}"), body


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL_TURNS: dict[str, list[dict[str, Any]]] = {
    "chat": [
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
    ],
    "messages": [
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {}}],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "42"}],
        },
    ],
    "responses": [
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "42"},
    ],
}
