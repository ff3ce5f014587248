"""What `activate` and `rollback` publish is what a running server decides by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import MODELS, Routectl, payload, write_log
from tests.proxy.test_serve import Served, chat, serving

for package in ("starlette", "uvicorn", "httpx2", "prometheus_client"):
    pytest.importorskip(package)


def decided(server: Served, activation: str) -> str:
    """What a long prompt gets once this activation runs."""
    while json.loads(server.ask("GET", "/health")[1])["routes"] != {"smart": activation}:
        pass
    answer = server.post("/v1/decide", chat("why? " * 2000))[1]
    assert answer["activation"] == activation
    return str(answer["model"])


def test_a_server_obeys_always_weak_and_the_rollback_of_it_without_a_restart(
    routectl: Routectl, tmp_path: Path
) -> None:
    path = tmp_path / "routes.json"
    for command in (
        ("import", write_log(tmp_path / "log.jsonl", [payload(n) for n in range(60)])),
        ("route", "set", "smart", *MODELS, "--publish", path),
        ("calibrate", "-r", "length", "--strong-fraction", 0.3),
        ("activate", "--force"),
    ):
        assert routectl(*command).code == 0

    with serving(path) as server:
        assert decided(server, "a1") == "big"
        assert routectl("activate", "--always-weak").code == 0
        assert decided(server, "a2") == "small"
        assert routectl("rollback").code == 0
        assert decided(server, "a3") == "big"
