"""A real HTTP server with an OpenAI-compatible /v1/embeddings, and ways to misbehave."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

DIMENSION = 24
MODEL = "letters"

Fault = Callable[["Handler", list[dict[str, Any]]], bool]
"""Answers in place of the server, or changes the embeddings and returns False."""


def embedding(text: str) -> list[float]:
    """Vector of a text: how often each of 24 classes of characters is in it, not normalised."""
    counts = np.bincount([ord(c) % DIMENSION for c in text], minlength=DIMENSION) + 0.1
    return [float(count) for count in counts]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.requests.append(body)
            server.headers.append(dict(self.headers))
            server.running += 1
            server.most_running = max(server.most_running, server.running)
            number = len(server.requests)
            fault = server.faults.pop(0) if server.faults else server.always
        if self.path != "/v1/embeddings" or body["model"] != server.model:
            self.answer(404)
            return
        time.sleep(server.delay)
        data = [
            {"object": "embedding", "index": row, "embedding": server.embedding(text)}
            for row, text in enumerate(body["input"])
        ]
        with server.lock:
            # Before the client can see the answer and send its next request.
            server.running -= 1
        if server.fails_from is not None and number >= server.fails_from:
            self.answer(503)
        elif fault is None or not fault(self, data):
            self.answer(200, json.dumps({"data": data}).encode())

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

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.faults: list[Fault] = []
        """One for each of the next requests."""
        self.always: Fault | None = None
        self.fails_from: int | None = None
        self.delay = 0.0
        self.running = self.most_running = 0
        self.model = MODEL
        self.embedding: Callable[[str], list[float]] = embedding

    @property
    def name(self) -> str:
        return f"openai:http://127.0.0.1:{self.server_address[1]}/v1#{MODEL}"

    def handle_error(self, *_: Any) -> None:
        """A client that hung up is part of the tests."""


def status(code: int, **headers: str) -> Fault:
    def fault(handler: Handler, _: list[dict[str, Any]]) -> bool:
        handler.answer(code, b'{"error": {"message": "SECRET-PROMPT"}}', **headers)
        return True

    return fault


def body(content: bytes) -> Fault:
    def fault(handler: Handler, _: list[dict[str, Any]]) -> bool:
        handler.answer(200, content)
        return True

    return fault


def changed(change: Callable[[list[dict[str, Any]]], object]) -> Fault:
    def fault(_: Handler, data: list[dict[str, Any]]) -> bool:
        change(data)
        return False

    return fault


def stall(handler: Handler, _: list[dict[str, Any]]) -> bool:
    time.sleep(1.5)
    handler.close_connection = True
    return True


def hang_up(handler: Handler, _: list[dict[str, Any]]) -> bool:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"data": [')
    handler.close_connection = True
    return True
