"""Proxies and upstreams on loopback, for the demo and for benchmarks. Each is a process of its own,
which is ended by its id.

`python examples/proxies.py` answers as an OpenAI-compatible endpoint: with the name of the model
that was asked, at once, and with token counts by the prompt's length.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = "routectl.proxy.litellm_hook.plugin"
START_SECONDS = 180.0

LOG_WRITER = '''"""A callback of LiteLLM that appends what it logs to a file, a line each."""

import json
import os

from litellm.integrations.custom_logger import CustomLogger


class Writer(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        line = json.dumps(kwargs["standard_logging_object"], default=str) + "\\n"
        handle = os.open(os.environ["PROXY_LOG"], os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        os.write(handle, line.encode())
        os.close(handle)

    async_log_failure_event = async_log_success_event


writer = Writer()
'''


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    url: str
    process: subprocess.Popen[Any]
    key: str | None = None

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return str(parts.hostname), int(parts.port or 80)

    def post(self, path: str, body: object) -> tuple[int, dict[str, str], Any]:
        """Status, headers and answer of a request on a connection of its own."""
        connection = http.client.HTTPConnection(*self.address, timeout=120)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"}
        try:
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), json.loads(answer.read() or b"null")
        finally:
            connection.close()


@contextmanager
def _process(
    command: Sequence[str | Path], output: Path, folder: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[Any]]:
    with output.open("ab") as file:
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def end_all_on_sigterm() -> None:
    """End what was started also where somebody ends this process."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_until_it_answers(port: int, process: subprocess.Popen[Any], output: Path) -> None:
    """Wait for a server; raises SystemExit where it ends, or needs too long."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"it does not start; the end of {output}:\n{output.read_text()[-1500:]}")


@contextmanager
def upstream(folder: Path, port: int = 0) -> Iterator[Running]:
    """An endpoint that answers at once."""
    port = port or free_port()
    output = folder / "upstream.out"
    command = [sys.executable, __file__, str(port)]
    with _process(command, output, folder, {}) as process:
        wait_until_it_answers(port, process, output)
        yield Running(f"http://127.0.0.1:{port}/v1", process)


@contextmanager
def serve(
    folder: Path, routes: Path, upstreams: Mapping[str, str], *, log: Path | None = None
) -> Iterator[Running]:
    """`routectl serve`, with an endpoint for each model."""
    port, output = free_port(), folder / "serve.out"
    command: list[str | Path] = [sys.executable, "-m", "routectl", "serve", "--routes", routes]
    command += ["--port", str(port)]
    for model, url in upstreams.items():
        command += ["--upstream", f"{model}={url}"]
    if log is not None:
        command += ["--log", log, "--log-prompts"]
    with _process(command, output, folder, {"PYTHONPATH": str(ROOT)}) as process:
        wait_until_it_answers(port, process, output)
        yield Running(f"http://127.0.0.1:{port}", process)


@contextmanager
def litellm(
    python: Path,
    folder: Path,
    config: Mapping[str, Any],
    upstreams: Mapping[str, str],
    *,
    routes: Path | None,
    log: Path | None = None,
    workers: int = 2,
) -> Iterator[Running]:
    """LiteLLM's proxy by a configuration that has its addresses from the environment.

    Args:
        upstreams: environment variable -> address.
        routes: None where ROUTECTL_ROUTES is not set.
    """
    import yaml

    (folder / "log_writer.py").write_text(LOG_WRITER)
    settings = dict(config.get("litellm_settings", {}))
    if log is not None:
        settings["callbacks"] = [*settings.get("callbacks", []), "log_writer.writer"]
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**config, "litellm_settings": settings}, sort_keys=False))
    key = f"sk-{secrets.token_hex(24)}"
    port, output = free_port(), folder / "litellm.out"
    environment = {
        "PYTHONPATH": f"{ROOT}:{folder}",
        "LITELLM_MASTER_KEY": key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "ROUTECTL_ROUTES": "" if routes is None else str(routes.absolute()),
        "PROXY_LOG": str(log),
        **upstreams,
    }
    command = [python.with_name("litellm"), "--config", path, "--host", "127.0.0.1"]
    command += ["--port", str(port), "--num_workers", str(workers)]
    command += ["--timeout_worker_healthcheck", "120"]
    with _process(command, output, folder, environment) as process:
        wait_until_it_answers(port, process, output)
        yield Running(f"http://127.0.0.1:{port}", process, key)


def _answer_for_ever(port: int) -> None:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    async def chat(request: Request) -> Response:
        body = await request.json()
        model = body["model"]
        tokens = 7 + len(json.dumps(body["messages"])) // 4
        return JSONResponse(
            {
                "id": f"chatcmpl-{secrets.token_hex(12)}",
                "object": "chat.completion",
                "created": int(time.time()),
                "model": model,
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {"role": "assistant", "content": f"from {model}"},
                    }
                ],
                "usage": {
                    "prompt_tokens": tokens,
                    "completion_tokens": 200,
                    "total_tokens": tokens + 200,
                },
            }
        )

    app = Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


if __name__ == "__main__":
    _answer_for_ever(int(sys.argv[1]))
