"""The same requests, as every log format would hold them."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from . import product_renderings as products

BEGIN = datetime(2025, 1, 24, 9, 20, 46, 847371, tzinfo=UTC)

ASKED = (
    "What is {0}, exactly?",
    'Say "{0}", then stop; twice',
    "  Explain\t{0} — à la carte 🙂 ",
    "{0}, {0}; {0}",
    "Fix {{{0}}} in [this]: \\n is no line break",
    "مرحبا {0}",
)
WITH_BREAKS = ("First {0}\nthen\r\n\r\n{0} again", '"{0}"\n,\n"', "\n{0}\n")


@dataclass(frozen=True)
class Asked:
    """One request, before a log wrote it down."""

    number: int
    prompt: str
    time: datetime
    model: str
    conversation: str
    team: str
    tokens_in: int
    tokens_out: int
    cost: float


def asked(count: int, *, line_breaks: bool = True, seed: int = 1) -> list[Asked]:
    """Return so many requests, some of whose prompts are equal; repeatable."""
    rng = random.Random(seed)
    shapes = ASKED + WITH_BREAKS if line_breaks else ASKED
    return [
        Asked(
            number=number,
            prompt=rng.choice(shapes).format("number " * rng.randrange(1, 40) + str(number // 2)),
            time=BEGIN + timedelta(seconds=90 * number, microseconds=rng.randrange(10**6)),
            model=rng.choice(("gpt-4o", "claude-sonnet-4")),
            conversation=f"talk-{number // 3}",
            team=rng.choice(("search", "ads")),
            tokens_in=rng.randrange(1, 2000),
            tokens_out=rng.randrange(1, 900),
            cost=rng.randrange(1, 10**6) / 10**8,
        )
        for number in range(count)
    ]


def messages(request: Asked, *, blocks: bool = False) -> list[dict[str, Any]]:
    """A conversation that ends in the request's prompt."""
    content: Any = [{"type": "text", "text": request.prompt}] if blocks else request.prompt
    return [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello! How can I help?"},
        {"role": "user", "content": content},
    ]


def lines(values: Sequence[object]) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def table(records: Sequence[dict[str, Any]], delimiter: str = ",") -> bytes:
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, list(records[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(records)
    return written.getvalue().encode()


def litellm(request: Asked) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{request.number}",
        "trace_id": request.conversation,
        "call_type": "acompletion",
        "cache_hit": None,
        "status": "success",
        "startTime": request.time.timestamp(),
        "model": request.model,
        "model_group": request.model,
        "metadata": {"user_api_key_team_alias": request.team},
        "response_cost": request.cost,
        "prompt_tokens": request.tokens_in,
        "completion_tokens": request.tokens_out,
        "request_tags": [],
        "messages": [{"role": "system", "content": "Be brief."}, *messages(request)],
        "response": {"choices": [{"message": {"role": "assistant", "content": "Yes."}}]},
    }


def spend_log(request: Asked) -> dict[str, Any]:
    """A row as the proxy hands it to its database: with JSON as text."""
    body = {"model": request.model, "messages": messages(request)}
    return {
        "request_id": f"chatcmpl-{request.number}",
        "call_type": "acompletion",
        "spend": request.cost,
        "prompt_tokens": request.tokens_in,
        "completion_tokens": request.tokens_out,
        "startTime": request.time.replace(tzinfo=None).isoformat(" "),
        "model": request.model,
        "model_group": request.model,
        "metadata": json.dumps({"user_api_key_team_alias": request.team, "status": None}),
        "cache_hit": "None",
        "request_tags": "[]",
        "team_id": "",
        "end_user": "",
        "session_id": request.conversation,
        "messages": "{}",
        "response": "{}",
        "proxy_server_request": json.dumps(body),
        "status": "success",
    }


def spend_log_of_api(request: Asked) -> dict[str, Any]:
    """A row as the API gives it: with JSON as JSON."""
    row = spend_log(request)
    texts = ("metadata", "request_tags", "messages", "response", "proxy_server_request")
    return {**row, **{key: json.loads(row[key]) for key in texts}}


def observation(request: Asked) -> dict[str, Any]:
    """An observation of a blob export: `input` is text."""
    return {
        "id": f"obs-{request.number}",
        "trace_id": f"trace-{request.number}",
        "type": "GENERATION",
        "start_time": request.time.replace(tzinfo=None).isoformat(" "),
        "level": "DEFAULT",
        "input": json.dumps({"messages": messages(request)}),
        "output": "Yes.",
        "provided_model_name": request.model,
        "usage_details": {"input": request.tokens_in, "output": request.tokens_out},
        "total_cost": request.cost,
        "session_id": request.conversation,
    }


def observation_of_api(request: Asked) -> dict[str, Any]:
    """An observation of the public API: camel case, `input` is JSON."""
    return {
        "id": f"obs-{request.number}",
        "traceId": f"trace-{request.number}",
        "type": "GENERATION",
        "startTime": request.time.isoformat().replace("+00:00", "Z"),
        "level": "DEFAULT",
        "input": messages(request, blocks=request.number % 2 == 0),
        "model": request.model,
        "usageDetails": {"input": request.tokens_in, "output": request.tokens_out},
        "totalCost": request.cost,
        "sessionId": request.conversation,
    }


def openai_body(request: Asked) -> dict[str, Any]:
    return {"model": request.model, "messages": messages(request)}


def anthropic_body(request: Asked) -> dict[str, Any]:
    return {
        "model": request.model,
        "max_tokens": 1024,
        "system": "Be brief.",
        "messages": messages(request, blocks=True),
    }


def batch_line(request: Asked) -> dict[str, Any]:
    return {
        "custom_id": f"request-{request.number}",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": openai_body(request),
    }


def record(request: Asked) -> dict[str, Any]:
    return {
        "id": f"r{request.number}",
        "created_at": request.time.isoformat(),
        "session_id": request.conversation,
        "model": request.model,
        "team": request.team,
        "prompt_tokens": request.tokens_in,
        "completion_tokens": request.tokens_out,
        "cost": request.cost,
        "prompt": request.prompt,
    }


def observation_record(request: Asked) -> dict[str, Any]:
    written = observation(request)
    return {**written, "usage_details": json.dumps(written["usage_details"])}


def trace_download(requests: Sequence[Asked]) -> bytes:
    observations = [observation_of_api(request) for request in requests]
    wrapper = {"trace": {"id": "t", "userId": "kim"}, "observations": observations}
    return json.dumps(wrapper, indent=1).encode()


def pages(requests: Sequence[Asked]) -> bytes:
    """Answers of the public API, one after another."""
    found = [observation_of_api(request) for request in requests]
    return lines([{"data": found[at : at + 50], "meta": {}} for at in range(0, len(found), 50)])


PROMPT = frozenset({"prompt"})
MODEL = PROMPT | {"model"}
USAGE = MODEL | {"time", "conversation", "tokens_in", "tokens_out", "cost"}
ALL = USAGE | {"team"}


@dataclass(frozen=True)
class Rendering:
    """One way to write requests down."""

    format: str
    carries: frozenset[str]
    """The fields of `Asked` that it holds."""
    write: Callable[[Sequence[Asked]], bytes]
    line_breaks: bool = True
    """Whether a prompt with line breaks can be written."""


def each(
    make: Callable[[Asked], Any], write: Callable[[Sequence[Any]], bytes] = lines
) -> Callable[[Sequence[Asked]], bytes]:
    """Write what `make` makes of each request."""
    return lambda requests: write([make(request) for request in requests])


def array(values: Sequence[object]) -> bytes:
    return json.dumps(values).encode()


def pretty_array(values: Sequence[object]) -> bytes:
    return json.dumps(values, indent=2).encode()


def table_by(delimiter: str) -> Callable[[Sequence[dict[str, Any]]], bytes]:
    return lambda records: table(records, delimiter)


def prompt(request: Asked) -> str:
    return request.prompt


def plain_lines(prompts: Sequence[str]) -> bytes:
    return b"".join(text.encode() + b"\n" for text in prompts)


RENDERINGS: dict[str, Rendering] = {
    "litellm": Rendering("litellm", ALL, each(litellm)),
    "litellm array": Rendering("litellm", ALL, each(litellm, array)),
    "litellm pretty array": Rendering("litellm", ALL, each(litellm, pretty_array)),
    "spend logs": Rendering("spendlogs", ALL, each(spend_log)),
    "spend logs of the API": Rendering("spendlogs", ALL, each(spend_log_of_api, array)),
    "spend logs as CSV": Rendering("spendlogs", ALL, each(spend_log, table)),
    "langfuse export": Rendering("langfuse", USAGE, each(observation)),
    "langfuse export as array": Rendering("langfuse", USAGE, each(observation, array)),
    "langfuse export as CSV": Rendering("langfuse", USAGE, each(observation_record, table)),
    "langfuse pages": Rendering("langfuse", USAGE, pages),
    "langfuse trace": Rendering("langfuse", USAGE, trace_download),
    "openai": Rendering("openai", MODEL, each(openai_body)),
    "anthropic": Rendering("anthropic", MODEL, each(anthropic_body)),
    "openai batch": Rendering("openai-batch", MODEL, each(batch_line)),
    "csv": Rendering("csv", ALL, each(record, table)),
    "csv with semicolons": Rendering("csv", ALL, each(record, table_by(";"))),
    "csv with tabs": Rendering("csv", ALL, each(record, table_by("\t"))),
    "opentelemetry": Rendering("opentelemetry", USAGE, products.otlp),
    "openinference": Rendering("openinference", USAGE, each(products.openinference)),
    "langsmith": Rendering("langsmith", USAGE, each(products.langsmith)),
    "bedrock": Rendering("bedrock", ALL - {"cost"}, each(products.bedrock)),
    "azure": Rendering("azure-apim", USAGE - {"cost", "conversation"}, each(products.azure)),
    "azure table": Rendering(
        "azure-apim", USAGE - {"cost", "conversation"}, each(products.azure_record, table)
    ),
    "vertex": Rendering("vertex", USAGE - {"cost", "conversation"}, each(products.vertex)),
    "helicone": Rendering("helicone", ALL, each(products.helicone)),
    "decisions": Rendering("routectl", ALL - {"cost", "team"}, each(products.decision)),
    "helicone table": Rendering("helicone", ALL, each(products.helicone_record, table)),
    "portkey": Rendering("portkey", ALL - {"cost"}, each(products.portkey)),
    "kong": Rendering("kong", MODEL | {"tokens_in", "tokens_out", "cost"}, each(products.kong)),
    "open webui": Rendering(
        "open-webui", MODEL | {"time", "conversation"}, each(products.open_webui, array)
    ),
    "claude code": Rendering(
        "claude-code", PROMPT | {"time", "conversation"}, each(products.claude_code)
    ),
    "openpipe": Rendering("openpipe", ALL - {"cost", "time"}, each(products.openpipe)),
    "anthropic batch": Rendering("anthropic-batch", MODEL, products.anthropic_batch),
    "gemini": Rendering("gemini", MODEL, each(products.gemini)),
    "sharegpt": Rendering("sharegpt", PROMPT, each(products.sharegpt)),
    "lmsys": Rendering("lmsys", MODEL, each(products.lmsys)),
    "prompts": Rendering("prompts", ALL - {"model"}, each(products.prompts)),
    "json strings": Rendering("json-strings", PROMPT, each(prompt)),
    "text": Rendering("text", PROMPT, each(prompt, plain_lines), line_breaks=False),
}
"""Every shape of every format, by name."""


def write_all(directory: Path, requests: Sequence[Asked]) -> dict[str, Path]:
    """Write requests in every rendering that can hold them, and one object per file as
    "litellm objects"; return the path of each."""
    paths = {}
    breaks = any("\n" in request.prompt for request in requests)
    for name, rendering in RENDERINGS.items():
        if rendering.line_breaks or not breaks:
            paths[name] = directory / name.replace(" ", "-")
            paths[name].write_bytes(rendering.write(requests))
    paths["litellm objects"] = directory / "objects"
    for request in requests:
        file = paths["litellm objects"] / f"{request.number % 7}" / f"{request.number:06}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(litellm(request)))
    return paths
