"""Logs to read, written as their proxies write them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from routectl.records import Reject
from routectl.request import TrafficRequest
from routectl.traffic import ImportCounts, open_source, read


class Read:
    """What reading one log gave."""

    def __init__(self, path: Path, format: str | None, identity: str | None) -> None:
        self.counts = ImportCounts()
        self.rejects: list[Reject] = []
        with open_source(str(path), identity=identity) as source:
            self.requests: list[TrafficRequest] = list(
                read(source, format=format, on_reject=self.rejects.append, counts=self.counts)
            )

    @property
    def texts(self) -> list[str | None]:
        return [request.text for request in self.requests]


ReadLog = Callable[..., Read]


@pytest.fixture
def read_log(tmp_path: Path) -> ReadLog:
    """Write a log of these lines (JSON values, or bytes as they are) and read it."""

    def read_lines(
        lines: Sequence[object], format: str | None = None, identity: str | None = None
    ) -> Read:
        log = tmp_path / "log"
        raw = (line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
        log.write_bytes(b"".join(line + b"\n" for line in raw))
        return Read(log, format, identity)

    return read_lines


def payload(text: object = "Hi", **fields: object) -> dict[str, Any]:
    """A StandardLoggingPayload as LiteLLM writes it, cut to the fields that tell something."""
    return {
        "id": "chatcmpl-1",
        "litellm_call_id": "call-1",
        "trace_id": "trace-1",
        "call_type": "acompletion",
        "cache_hit": None,
        "stream": True,
        "status": "success",
        "startTime": 1737710446.847371,
        "endTime": 1737710447.2,
        "model": "gpt-4o-2024-08-06",
        "model_group": "gpt-4o",
        "metadata": {
            "user_api_key_alias": "search-prod",
            "user_api_key_team_id": "team-17",
            "user_api_key_team_alias": "search",
            "user_api_key_end_user_id": None,
        },
        "response_cost": 0.000225,
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "request_tags": ["eu", "User-Agent: curl", "eu"],
        "end_user": "kim",
        "messages": [{"role": "user", "content": text}],
        "response": {"id": "chatcmpl-1", "choices": []},
        **fields,
    }
