"""The same requests, as further products' logs would hold them; see `renderings`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .renderings import Asked


def turns(request: Asked) -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello! How can I help?"},
        {"role": "user", "content": request.prompt},
    ]


def body(request: Asked) -> dict[str, Any]:
    return {"model": request.model, "messages": turns(request)}


def identity(request: Asked) -> str:
    return f"00000000-0000-4000-8000-{request.number:012}"


def zulu(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def nanoseconds(time: datetime) -> str:
    return str(round(time.timestamp() * 1e6) * 1000)


def decision(request: Asked) -> dict[str, Any]:
    """As `routectl serve --log` writes it."""
    return {
        "format": "routectl-decision",
        "version": 1,
        "id": f"rd-{identity(request)}",
        "time": request.time.isoformat(),
        "call_type": "chat/completions",
        "route": request.model,
        "model": "small",
        "decision": "weak",
        "extraction_version": 2,
        "status": 200,
        "tokens_in": request.tokens_in,
        "tokens_out": request.tokens_out,
        "conversation": request.conversation,
        "request_id": identity(request),
        "prompt": request.prompt,
    }


def otlp(requests: Sequence[Asked]) -> bytes:
    """Some traces a line, as the collector's file exporter writes them."""
    spans = [_span(request) for request in requests]
    traces = [
        {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": spans[at : at + 7]}]}]}
        for at in range(0, len(spans), 7)
    ]
    return b"".join(json.dumps(trace).encode() + b"\n" for trace in traces)


def _span(request: Asked) -> dict[str, Any]:
    said = [
        {"role": turn["role"], "parts": [{"type": "text", "content": turn["content"]}]}
        for turn in turns(request)
    ]
    return {
        "traceId": f"{request.number:032x}",
        "spanId": f"{request.number:016x}",
        "name": "chat",
        "startTimeUnixNano": nanoseconds(request.time),
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.request.model", "value": {"stringValue": request.model}},
            {"key": "gen_ai.conversation.id", "value": {"stringValue": request.conversation}},
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": str(request.tokens_in)}},
            {"key": "gen_ai.usage.output_tokens", "value": {"intValue": str(request.tokens_out)}},
            {"key": "gen_ai.usage.cost", "value": {"doubleValue": request.cost}},
            {"key": "gen_ai.input.messages", "value": {"stringValue": json.dumps(said)}},
        ],
    }


def openinference(request: Asked) -> dict[str, Any]:
    return {
        "name": "llm",
        "context": {"trace_id": f"t{request.number}", "span_id": identity(request)},
        "span_kind": "LLM",
        "start_time": request.time.isoformat(),
        "status_code": "OK",
        "attributes": {
            "llm": {
                "model_name": request.model,
                "input_messages": [
                    {"message": {"role": turn["role"], "content": turn["content"]}}
                    for turn in turns(request)
                ],
                "token_count": {"prompt": request.tokens_in, "completion": request.tokens_out},
                "cost": {"total": request.cost},
            },
            "session": {"id": request.conversation},
        },
    }


def langsmith(request: Asked) -> dict[str, Any]:
    kinds = {"user": "HumanMessage", "assistant": "AIMessage"}
    said = [
        {
            "lc": 1,
            "type": "constructor",
            "id": ["langchain", "schema", "messages", kinds[turn["role"]]],
            "kwargs": {"content": turn["content"]},
        }
        for turn in turns(request)
    ]
    return {
        "id": identity(request),
        "trace_id": identity(request),
        "run_type": "llm",
        "start_time": request.time.replace(tzinfo=None).isoformat(),
        "status": "success",
        "inputs": {"messages": [said]},
        "extra": {"metadata": {"ls_model_name": request.model, "thread_id": request.conversation}},
        "prompt_tokens": request.tokens_in,
        "completion_tokens": request.tokens_out,
        "total_cost": request.cost,
    }


def bedrock(request: Asked) -> dict[str, Any]:
    said = [{"role": t["role"], "content": [{"text": t["content"]}]} for t in turns(request)]
    return {
        "schemaType": "ModelInvocationLog",
        "timestamp": zulu(request.time),
        "requestId": identity(request),
        "operation": "Converse",
        "modelId": request.model,
        "input": {"inputBodyJson": {"messages": said}, "inputTokenCount": request.tokens_in},
        "output": {"outputBodyJson": {}, "outputTokenCount": request.tokens_out},
        "requestMetadata": {"team": request.team, "session_id": request.conversation},
    }


def azure(request: Asked) -> dict[str, Any]:
    return {
        "TimeGenerated": zulu(request.time),
        "CorrelationId": identity(request),
        "DeploymentName": request.model,
        "ModelName": request.model,
        "PromptTokens": request.tokens_in,
        "CompletionTokens": request.tokens_out,
        "RequestMessages": json.dumps(turns(request)),
        "SequenceNumber": 0,
    }


def azure_record(request: Asked) -> dict[str, Any]:
    """As Log Analytics exports it, in an English browser."""
    row = azure(request)
    hour = request.time.hour % 12 or 12
    time = request.time.strftime(f"%-m/%-d/%Y, {hour}:%M:%S.%f %p")
    return {"TimeGenerated [UTC]": time, **{k: v for k, v in row.items() if k != "TimeGenerated"}}


def gemini(request: Asked) -> dict[str, Any]:
    roles = {"user": "user", "assistant": "model"}
    said = [
        {"role": roles[turn["role"]], "parts": [{"text": turn["content"]}]}
        for turn in turns(request)
    ]
    return {"model": request.model, "contents": said}


def vertex(request: Asked) -> dict[str, Any]:
    return {
        "endpoint": "e",
        "logging_time": request.time.strftime("%Y-%m-%d %H:%M:%S.%f UTC"),
        "request_id": str(7_000_000_000_000_000_000 + request.number),
        "full_request": gemini(request),
        "full_response": {
            "usageMetadata": {
                "promptTokenCount": request.tokens_in,
                "candidatesTokenCount": request.tokens_out,
            }
        },
        "model": f"publishers/google/models/{request.model}",
        "api_method": "GenerateContent",
    }


def helicone(request: Asked) -> dict[str, Any]:
    return {
        "response_id": identity(request),
        "response_status": 200,
        "request_id": identity(request),
        "request_created_at": zulu(request.time),
        "request_body": body(request),
        "request_properties": {
            "team": request.team,
            "Helicone-Session-Id": request.conversation,
        },
        "request_model": request.model,
        "prompt_tokens": request.tokens_in,
        "completion_tokens": request.tokens_out,
        "cost": request.cost,
    }


def helicone_record(request: Asked) -> dict[str, Any]:
    row = helicone(request)
    objects = ("request_body", "request_properties")
    return {**row, **{key: json.dumps(row[key]) for key in objects}}


def portkey(request: Asked) -> dict[str, Any]:
    return {
        "id": identity(request),
        "created_at": zulu(request.time),
        "trace_id": request.conversation,
        "ai_org": "openai",
        "ai_model": request.model,
        "req_units": request.tokens_in,
        "res_units": request.tokens_out,
        "response_status_code": 200,
        "request": {"url": "https://api.openai.com", "body": body(request)},
        "metadata": {"team": request.team},
    }


def kong(request: Asked) -> dict[str, Any]:
    return {
        "request": {"id": identity(request), "uri": "/chat"},
        "started_at": round(request.time.timestamp() * 1000),
        "ai": {
            "ai-proxy": {
                "payload": {"request": json.dumps(body(request))},
                "meta": {"request_model": request.model},
                "usage": {
                    "prompt_tokens": request.tokens_in,
                    "completion_tokens": request.tokens_out,
                    "cost": request.cost,
                },
            }
        },
    }


def open_webui(request: Asked) -> dict[str, Any]:
    said = {"id": identity(request), "role": "user", "content": request.prompt}
    return {
        "id": request.conversation,
        "user_id": "kim",
        "chat": {
            "models": [request.model],
            "messages": [said | {"timestamp": request.time.timestamp()}],
        },
    }


def claude_code(request: Asked) -> dict[str, Any]:
    return {
        "type": "user",
        "uuid": identity(request),
        "sessionId": request.conversation,
        "timestamp": zulu(request.time),
        "message": {"role": "user", "content": request.prompt},
    }


def openpipe(request: Asked) -> dict[str, Any]:
    return {
        "input": body(request),
        "output": {
            "id": identity(request),
            "usage": {
                "prompt_tokens": request.tokens_in,
                "completion_tokens": request.tokens_out,
            },
        },
        "tags": {"team": request.team, "session_id": request.conversation},
    }


def anthropic_batch(requests: Sequence[Asked]) -> bytes:
    """The body that creates a batch."""
    listed = [
        {"custom_id": f"r-{request.number}", "params": {"max_tokens": 64, **body(request)}}
        for request in requests
    ]
    return json.dumps({"requests": listed}).encode()


def sharegpt(request: Asked) -> dict[str, Any]:
    speakers = {"user": "human", "assistant": "gpt"}
    said = [{"from": speakers[t["role"]], "value": t["content"]} for t in turns(request)]
    return {"id": identity(request), "conversations": said}


def lmsys(request: Asked) -> dict[str, Any]:
    return {
        "conversation_id": identity(request),
        "model": request.model,
        "conversation": turns(request),
        "turn": 2,
    }


def prompts(request: Asked) -> dict[str, Any]:
    return {
        "prompt": request.prompt,
        "timestamp": zulu(request.time),
        "team": request.team,
        "session_id": request.conversation,
        "usage": {"prompt_tokens": request.tokens_in, "completion_tokens": request.tokens_out},
        "cost": request.cost,
    }
