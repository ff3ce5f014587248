"""A real HTTP server with an OpenAI-compatible /v1/chat/completions, and ways to misbehave."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

STRONG, WEAK, JUDGE = "big", "small", "critic"
PRICES = {STRONG: (10, 30), WEAK: (1, 2), JUDGE: (5, 20)}
"""US dollars per million tokens in and out, as `--price` says them in the tests."""

Request = dict[str, Any]
Fault = Callable[["Handler", Request], bool]
"""Answers in place of the server, or returns False."""

_MATERIAL = re.compile(
    r"--- (\w+) request ---\n(.*)\n--- \1 first answer ---\n(.*)\n--- \1 second answer ---\n(.*)\n"
    r"--- \1 end ---",
    re.S,
)


def answer(model: str, prompt: str) -> str:
    return f"the {model} model says {len(prompt)}"


def fair_verdict(prompt: str, first: str, second: str) -> str:
    """The strong model wins, but for prompts that say otherwise."""
    if "tie" in prompt:
        return "Both are fine.\nVERDICT: TIE"
    better = WEAK if "weak" in prompt else STRONG
    return f"Because.\n**VERDICT: {'FIRST' if better in first else 'SECOND'}**\n"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.requests.append(request)
            server.headers.append(dict(self.headers))
            server.running += 1
            server.most_running = max(server.most_running, server.running)
            fault = server.faults.pop(0) if server.faults else server.always
        try:
            time.sleep(server.delay)
        finally:
            with server.lock:
                server.running -= 1
        if self.path != "/v1/chat/completions" or request["model"] not in PRICES:
            self.answer(404)
        elif fault is None or not fault(self, request):
            self.answer(200, self.completion(request))

    def completion(self, request: Request, **changes: Any) -> bytes:
        """A whole answer, which is charged for."""
        server, messages = self.server, request["messages"]
        if request["model"] == JUDGE:
            material = _MATERIAL.search(messages[0]["content"])
            assert material is not None
            content = server.verdict(*material.groups()[1:])
        else:
            content = server.answer(request["model"], messages[-1]["content"])
        # A token for every character and more is the worst that a tokenizer and template may do.
        read = sum(len(m["content"].encode()) for m in messages) + 100
        limit = request.get("max_tokens") or request["max_completion_tokens"]
        usage = {"prompt_tokens": read, "completion_tokens": min(limit, server.written)}
        price_in, price_out = PRICES[request["model"]]
        cost = price_in * read + price_out * usage["completion_tokens"]
        with server.lock:
            server.charged += Decimal(cost) / 1_000_000
            server.answered[json.dumps([request["model"], messages])] += 1
        message = {"role": "assistant", "content": content}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return json.dumps({"choices": [choice], "usage": usage, **changes}).encode()

    def answer(self, status: int, body: bytes = b"{}", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.requests: list[Request] = []
        self.headers: list[dict[str, str]] = []
        self.faults: list[Fault] = []
        """One for each of the next requests."""
        self.always: Fault | None = None
        self.delay = 0.0
        self.running = self.most_running = 0
        self.written = 40
        """Tokens of an answer."""
        self.charged = Decimal(0)
        """US dollars, for every answer that was computed, whether or not it arrived."""
        self.answered: Counter[str] = Counter()
        """How often each question was answered and charged for."""
        self.answer: Callable[[str, str], str] = answer
        self.verdict: Callable[[str, str, str], str] = fair_verdict

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Server]:
        with cls() as running:
            thread = threading.Thread(target=running.serve_forever, args=(0.02,))
            thread.start()
            yield running
            running.shutdown()
            thread.join()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/v1"

    def asked(self, model: str) -> int:
        """How often a model was asked."""
        return sum(request["model"] == model for request in self.requests)

    def handle_error(self, *_: Any) -> None:
        """A client that hung up is part of the tests."""


def status(code: int, body: bytes = b'{"error": "SECRET"}', **headers: str) -> Fault:
    def fault(handler: Handler, _: Request) -> bool:
        handler.answer(code, body, **headers)
        return True

    return fault


def body(content: bytes) -> Fault:
    def fault(handler: Handler, _: Request) -> bool:
        handler.answer(200, content)
        return True

    return fault


def changed(**changes: Any) -> Fault:
    """An answer that is charged for, with other fields."""

    def fault(handler: Handler, request: Request) -> bool:
        handler.answer(200, handler.completion(request, **changes))
        return True

    return fault


def stall(handler: Handler, request: Request) -> bool:
    """Computes an answer, and never sends it."""
    handler.completion(request)
    time.sleep(0.8)
    handler.close_connection = True
    return True


def hang_up(handler: Handler, request: Request) -> bool:
    """Computes an answer, and sends a part of it."""
    handler.completion(request)
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.close_connection = True
    return True
