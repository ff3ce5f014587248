"""A real LiteLLM proxy with two workers, for the tests and the benchmarks.

LiteLLM wants older libraries than the tests' own environment has, so it runs in another one, which
`make test-slow` makes of `requirements.txt`. It has no torch, no transformers and no SQLAlchemy.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.loopback_server import LoopbackServer

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

    async_log_failure_event = async_log_success_event

writer = Writer()
"""


MASKING = """
import json
from litellm.integrations.custom_guardrail import CustomGuardrail

class Masker(CustomGuardrail):
    async def async_pre_call_hook(self, user_api_key_dict, cache, data, call_type):
        for key in ("messages", "input"):
            if data.get(key):
                masked = json.dumps(data[key]).replace("anna@example.com", "<EMAIL>")
                data[key] = json.loads(masked)
        return data
"""
ADDRESS, MASKED = "anna@example.com", "<EMAIL>"


class Proxy:
    def __init__(self, port: int, key: str, log: Path) -> None:
        self._port, self._key, self.log = port, key, log

    def post(self, path: str, body: object, key: str | None = None) -> tuple[int, str]:
        return self.send(path, json.dumps(body).encode(), key)

    def send(self, path: str, body: bytes, key: str | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        authorization = f"Bearer {key or self._key}"
        headers = {"Authorization": authorization, "Content-Type": "application/json"}
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
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
    python: str,
    folder: Path,
    fragment: str,
    upstream: LoopbackServer,
    *,
    with_cache: bool = True,
    **general: object,
) -> Iterator[Proxy]:
    config = yaml.safe_load(fragment)
    for model in ("small", "large"):
        deployment = {"model": f"openai/{model}", "api_base": upstream.url, "api_key": "none"}
        config["model_list"].append({"model_name": model, "litellm_params": deployment})
    # What a failure of one model is followed by keeps nobody else waiting.
    config["router_settings"] = {
        "fallbacks": [{"large": ["small"]}],
        "num_retries": 0,
        "disable_cooldowns": True,
    }
    config["litellm_settings"] = {
        "callbacks": [PLUGIN, "log_writer.writer"],
        "cache": with_cache,
        "cache_params": {"type": "local"},
        # Without it `custom_auth` says who calls and not what they may call.
        "enable_post_custom_auth_checks": True,
    }
    config["general_settings"] = general
    masker = {"guardrail": "masking.Masker", "mode": "pre_call", "default_on": True}
    config["guardrails"] = [{"guardrail_name": "mask", "litellm_params": masker}]
    (folder / "masking.py").write_text(MASKING)
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
