"""LangSmith runs: `run_type`, `inputs` and `start_time`, one a line, in an array or `{"runs": []}`.

What `Client.list_runs`, the API's `POST /runs/query` and a bulk export (Parquet) give. Only runs of
type `llm` are calls of a model; a wrapper's run of that type around its client's is the same call.
`inputs` holds `messages` (LangChain: a list of lists of constructors) or `prompts`. Source:
docs.langchain.com/langsmith, "Run (span) data format" and "Bulk export trace data".
"""

from __future__ import annotations

from typing import Any

from routectl.needs import count_tools, response_format
from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic.fields import Named, decoded, mapping, name, text
from routectl.traffic.making import (
    EMBEDDING,
    body_in,
    is_embedding,
    json_format,
    object_of,
    request_of,
)
from routectl.traffic.rows import Row, Skip

NAME = "langsmith"


def _is_run(value: dict[str, Any]) -> bool:
    return "run_type" in value and "inputs" in value


def _request(row: Row) -> TrafficRequest | Skip:
    run = object_of(row, _is_run, "a run: it has no `run_type` and `inputs`")
    kind = name(run.get("run_type"))
    if kind == "embedding":
        return EMBEDDING
    if kind != "llm":
        return Skip(f"run type {kind}")
    inputs = body_in(run.get("inputs"))
    extra = mapping(decoded(run.get("extra")))
    metadata, parameters = mapping(extra.get("metadata")), mapping(extra.get("invocation_params"))
    own = Named(run)
    model = Named(metadata).get("lsmodelname") or Named(parameters).get("modelname", "model")
    if is_embedding(model):
        return EMBEDDING
    failed = run.get("error") or run.get("status") == "error"
    request = request_of(
        row,
        NAME,
        inputs.get("messages") or inputs.get("prompts") or inputs.get("prompt") or inputs,
        id=run.get("id"),
        time=run.get("start_time"),
        model_group=model,
        status="failure" if failed else run.get("status"),
        end_user=Named(metadata).get("userid"),
        tags=run.get("tags"),
        # LangSmith knows a thread by any of these three in a run's metadata.
        conversation=Named(metadata).get("sessionid", "threadid", "conversationid")
        or run.get("trace_id"),
        tokens_in=own.get("prompttokens"),
        tokens_out=own.get("completiontokens"),
        cost=own.get("totalcost"),
    )
    if row.source.calls.is_repeated(
        text(run.get("id")), text(run.get("parent_run_id")), request.text
    ):
        return Skip("the same call, of its framework and of its client")
    return with_needs(request, parameters)


def with_needs(request: TrafficRequest, parameters: Any) -> TrafficRequest:
    """Return the request with what its invocation parameters ask of a model."""
    from msgspec import structs

    if not parameters:
        return request
    return structs.replace(
        request,
        tools=count_tools(parameters.get("tools")),
        response_format=response_format(parameters),
    )


FORMAT = json_format(
    NAME,
    describe="LangSmith runs, JSON objects with `run_type` and `inputs`",
    holds=_is_run,
    request=_request,
    advice={
        Exclusion.NO_TEXT: "LANGSMITH_HIDE_INPUTS=true leaves prompts out: unset it",
    },
)
