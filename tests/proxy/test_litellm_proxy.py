"""A real LiteLLM proxy with two workers: it routes as the stored scores say, and its log says so.

LiteLLM wants older libraries than the tests' own environment has, so it runs in another one, which
`make test-slow` makes of `requirements.txt`: ROUTECTL_LITELLM_PYTHON names its Python. It has no
torch, no transformers and no SQLAlchemy.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from routectl.export import litellm_fragment
from routectl.policy import decide
from routectl.routers import open_router
from tests.conftest import Routectl
from tests.loopback_server import Fault, LoopbackHandler, LoopbackServer, Request
from tests.proxy.routes import route, write_routes

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PLUGIN = "routectl.proxy.litellm_hook.plugin"

WRITER = """
import json, os
from litellm.integrations.custom_logger import CustomLogger

class Writer(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        line = json.dumps(kwargs["standard_logging_object"], default=str) + "\\n"
        handle = os.open(os.environ["LOG"], os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        os.write(handle, line.encode())
        os.close(handle)

writer = Writer()
"""


class Upstream(LoopbackHandler):
    """Answers with the name of the model that was asked."""

    server: LoopbackServer

    def respond(self, request: Request, fault: Fault | None) -> None:
        base = {"id": f"chatcmpl-{secrets.token_hex(8)}", "created": 1, "model": request["model"]}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        said = {"role": "assistant", "content": f"from {request['model']}"}
        if request.get("stream"):
            chunks = [
                {"choices": [{"index": 0, "delta": said, "finish_reason": None}]},
                {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            ]
            kind = {"object": "chat.completion.chunk"}
            events = [f"data: {json.dumps({**base, **kind, **chunk})}\n\n" for chunk in chunks]
            body = "".join([*events, "data: [DONE]\n\n"]).encode()
            self.answer(200, body, content_type="text/event-stream")
            return
        choices = [{"index": 0, "finish_reason": "stop", "message": said}]
        answer = {**base, "object": "chat.completion", "choices": choices, "usage": usage}
        self.answer(200, json.dumps(answer).encode(), content_type="application/json")


@pytest.fixture
def litellm_python() -> str:
    python = Path(os.environ.get("ROUTECTL_LITELLM_PYTHON", ""))
    if not python.is_file():
        pytest.skip("ROUTECTL_LITELLM_PYTHON names no Python with LiteLLM: `make test-slow` does")
    return str(python.absolute())


@pytest.fixture
def upstream() -> Iterator[LoopbackServer]:
    with LoopbackServer(Upstream).started() as server:
        yield server


class Proxy:
    def __init__(self, port: int, key: str, log: Path) -> None:
        self._port, self._key, self.log = port, key, log

    def post(self, path: str, body: object, key: str | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        authorization = f"Bearer {key or self._key}"
        headers = {"Authorization": authorization, "Content-Type": "application/json"}
        try:
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def rows(self, count: int) -> list[dict[str, Any]]:
        """The log, once it has so many rows: LiteLLM writes them after it answered."""
        until = time.monotonic() + 60
        while True:
            lines = self.log.read_text().splitlines() if self.log.exists() else []
            if len(lines) >= count or time.monotonic() > until:
                return [json.loads(line) for line in lines]
            time.sleep(0.2)


@contextmanager
def litellm_proxy(
    python: str, folder: Path, fragment: str, upstream: LoopbackServer, **general: str
) -> Iterator[Proxy]:
    config = yaml.safe_load(fragment)
    for model in ("small", "large"):
        deployment = {"model": f"openai/{model}", "api_base": upstream.url, "api_key": "none"}
        config["model_list"].append({"model_name": model, "litellm_params": deployment})
    config["litellm_settings"] = {"callbacks": [PLUGIN, "log_writer.writer"]}
    config["general_settings"] = general
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (folder / "log_writer.py").write_text(WRITER)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    key = f"sk-{secrets.token_hex(24)}"
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{folder}",
        "LITELLM_MASTER_KEY": key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "ROUTECTL_ROUTES": str(folder / "routes.json"),
        "LOG": str(folder / "log.jsonl"),
    }
    command = [Path(python).with_name("litellm"), "--config", "config.yaml"]
    options = ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "2"]
    with (folder / "proxy.out").open("wb") as output:
        process = subprocess.Popen(
            [*command, *options, "--timeout_worker_healthcheck", "120"],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    proxy = Proxy(port, key, folder / "log.jsonl")
    try:
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.5)
        assert process.poll() is None, (folder / "proxy.out").read_text()[-2000:]
        yield proxy
    finally:
        process.terminate()
        process.wait(timeout=60)


def requests(texts: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Each text as the last human one, in the shapes of chat clients; every fifth is a lie."""
    asked: list[tuple[str, dict[str, Any]]] = []
    earlier = [{"role": "user", "content": "first"}, {"role": "assistant", "content": "yes"}]
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    for number, text in enumerate(texts):
        turn: dict[str, Any] = {"role": "user", "content": text}
        messages = [
            [turn],
            [{"role": "system", "content": "Be brief."}, *earlier, turn],
            [{"role": "user", "content": [{"type": "text", "text": text}]}],
            [
                turn,
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": "42"},
            ],
        ][number % 4]
        body: dict[str, Any] = {"model": "smart", "messages": messages, "stream": number % 3 == 1}
        if number % 5 == 0:
            lie = {"decision": "strong", "score": 1.0, "fingerprint": "f" * 64}
            body["metadata"] = {"spend_logs_metadata": {"routectl": lie}}
        asked.append(("/v1/chat/completions", body))
    return asked


def test_the_proxy_decides_as_the_stored_scores_do_and_its_log_is_imported_without_a_flag(
    litellm_python: str,
    upstream: LoopbackServer,
    tmp_path: Path,
    routectl: Routectl,
    database: Path,
) -> None:
    lines = (ROOT / "examples" / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    texts = list(dict.fromkeys(json.loads(line)["prompt"] for line in lines))[:200]
    opened = open_router("mf")
    stored = opened.load().strong_win_rates(texts)
    ordered = np.sort(stored)
    threshold = f"{(ordered[140] + ordered[139]) / 2:.8f}"
    active = route(threshold, router="mf")
    expected = decide(active.policy, stored)
    write_routes(tmp_path / "routes.json", smart=active)

    fragment = litellm_fragment({"smart": active})
    with litellm_proxy(litellm_python, tmp_path, fragment, upstream) as proxy:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda asked: proxy.post(*asked), requests(texts)))
        rows = proxy.rows(len(texts))

    assert {status for status, _ in answers} == {200}
    for (_, answer), model in zip(answers, expected.name, strict=True):
        assert f"from {model}" in answer

    assert {row["model_group"] for row in rows} == {"smart"}
    assert {row["metadata"]["routing_decision"]["cause"] for row in rows} == {"classifier_plugin"}
    done = routectl("import", proxy.log)
    assert done.code == 0, done.err
    query = (
        "SELECT p.text, r.proxy_decision, r.proxy_score, r.proxy_fingerprint, r.proxy_route, "
        "r.proxy_activation, r.proxy_model, r.proxy_reason, r.proxy_extraction_version "
        "FROM requests r JOIN prompts p ON p.id = r.prompt_id"
    )
    with sqlite3.connect(database) as connection:
        logged = {row[0]: row[1:] for row in connection.execute(query)}
    connection.close()
    assert set(logged) == set(texts)
    for text, score, model, index in zip(texts, stored, expected.name, expected.model, strict=True):
        decision, logged_score, *others = logged[text]
        assert decision == ("strong" if index else "weak")
        assert logged_score == pytest.approx(score, abs=opened.identity.noise)
        assert others == [opened.identity.fingerprint, "smart", "a7", model, "threshold", 2]
    assert np.mean(expected.model) == pytest.approx(0.3)


KEYS = """
from litellm.proxy._types import UserAPIKeyAuth

async def user_api_key_auth(request, api_key):
    team = api_key.removeprefix("sk-")
    if team.startswith("id"):
        return UserAPIKeyAuth(api_key=api_key, team_id=team, key_alias="a key")
    return UserAPIKeyAuth(api_key=api_key, team_id="7", team_alias=team, key_alias="a key")
"""


@pytest.mark.parametrize("field", ["team", "key_alias"])
def test_the_authenticated_key_tells_the_segment_and_the_body_does_not(
    litellm_python: str,
    upstream: LoopbackServer,
    tmp_path: Path,
    routectl: Routectl,
    database: Path,
    field: str,
) -> None:
    always = ("0.0",)
    segments = {"search": always, "id-3": always} if field == "team" else {"a key": always}
    active = route("1.0", segments=segments, segment_field=field)
    write_routes(tmp_path / "routes.json", smart=active)
    (tmp_path / "team_keys.py").write_text(KEYS)
    lie = {
        "team": "search",
        "user": "search",
        "metadata": {"user_api_key_team_alias": "search", "user_api_key_alias": "a key"},
    }
    teams = ("search", "support", "id-3")
    fragment = litellm_fragment({"smart": active})
    auth = {"custom_auth": "team_keys.user_api_key_auth"}
    with litellm_proxy(litellm_python, tmp_path, fragment, upstream, **auth) as proxy:
        answers = {}
        for team in teams:
            messages = [{"role": "user", "content": f"why, {team}?"}]
            body = {"model": "smart", "messages": messages, **lie}
            answers[team] = proxy.post("/v1/chat/completions", body, f"sk-{team}")
        proxy.rows(len(teams))
    assert {status for status, _ in answers.values()} == {200}
    strong = {team for team, (_, answer) in answers.items() if "from large" in answer}
    assert strong == ({"search", "id-3"} if field == "team" else set(teams))
    assert routectl("import", proxy.log).code == 0
    with sqlite3.connect(database) as connection:
        rows = connection.execute(
            "SELECT team, key_alias, proxy_reason, proxy_decision FROM requests"
        )
        logged = {team: others for team, *others in rows}
    connection.close()
    for team in teams:
        decided = ["segment_threshold", "strong"] if team in strong else ["threshold", "weak"]
        assert logged[team] == ["a key", *decided]
