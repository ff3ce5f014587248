"""LiteLLM's proxy, with a masking guardrail, a cache and fallbacks, for tests and benchmarks.

LiteLLM wants older libraries than the tests' own environment has, so it runs in another one, which
`make test-slow` makes of `requirements.txt`. It has no torch, no transformers and no SQLAlchemy.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from examples.proxies import PLUGIN, Running, litellm
from tests.loopback_server import LoopbackServer

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
ALIAS = "old-name"
"""Of the route."""
LENGTHS = {"max_input_tokens": 8192, "max_output_tokens": 4096}
"""In tokens, as LiteLLM knows them of real models, and acts by them."""
ADDRESS, MASKED = "anna@example.com", "<EMAIL>"


class Proxy:
    def __init__(self, running: Running, log: Path) -> None:
        self._running, self.log = running, log

    def post(self, path: str, body: object, key: str | None = None) -> tuple[int, str]:
        return self.send(path, json.dumps(body).encode(), key)

    def send(self, path: str, body: bytes, key: str | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection(*self._running.address, timeout=120)
        authorization = f"Bearer {key or self._running.key}"
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
            text = self.log.read_text() if self.log.exists() else ""
            lines = text.rpartition("\n")[0].splitlines()  # one may be under way
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
    with_routes: bool = True,
    **general: object,
) -> Iterator[Proxy]:
    config = yaml.safe_load(fragment)
    for model in ("small", "large"):
        deployment = {"model": f"openai/{model}", "api_base": upstream.url, "api_key": "none"}
        entry = {"model_name": model, "litellm_params": deployment, "model_info": LENGTHS}
        config["model_list"].append(entry)
    # What a failure of one model is followed by keeps nobody else waiting.
    config["router_settings"] = {
        "fallbacks": [{"large": ["small"]}],
        "num_retries": 0,
        "disable_cooldowns": True,
        "model_group_alias": {ALIAS: "smart"},
    }
    config["litellm_settings"] = {
        "callbacks": [PLUGIN],
        "cache": with_cache,
        "cache_params": {"type": "local"},
        # Without it `custom_auth` says who calls and not what they may call.
        "enable_post_custom_auth_checks": True,
    }
    config["general_settings"] = general
    masker = {"guardrail": "masking.Masker", "mode": "pre_call", "default_on": True}
    config["guardrails"] = [{"guardrail_name": "mask", "litellm_params": masker}]
    (folder / "masking.py").write_text(MASKING)
    routes, log = folder / "routes.json", folder / "log.jsonl"
    decides_by = routes if with_routes else None
    with litellm(Path(python), folder, config, {}, routes=decides_by, log=log) as running:
        yield Proxy(running, log)
