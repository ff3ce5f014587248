"""A real HTTP server on loopback that remembers what it was asked and misbehaves when told to."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Request = dict[str, Any]
Fault = Callable[[Any, Any], bool]
"""Of a handler and what it would answer with: answers in its place, or returns False."""


class LoopbackHandler(BaseHTTPRequestHandler):
    """One connection. A kind of server says in `respond` what it answers."""

    protocol_version = "HTTP/1.1"
    server: LoopbackServer

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.changed:
            server.requests.append(request)
            server.headers.append(dict(self.headers))
            number = len(server.requests)
            server.running += 1
            server.unanswered += 1
            server.most_running = max(server.most_running, server.running)
            server.changed.notify_all()
            fault = server.faults.pop(0) if server.faults else server.always
            server.changed.wait_for(lambda: server.answers(number))
            # Before the client can see the answer and send its next request.
            server.running -= 1
        try:
            self.respond(request, fault)
        finally:
            with server.changed:
                server.unanswered -= 1
                server.changed.notify_all()

    def respond(self, request: Request, fault: Fault | None) -> None:
        raise NotImplementedError

    def answer(self, status: int, body: bytes = b"{}", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def hang_up_after(self, part: bytes) -> None:
        """Send the beginning of an answer that is longer."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(part)
        self.close_connection = True

    def wait_for_the_client_to_go(self) -> bool:
        """Say nothing for as long as the client has patience."""
        self.rfile.read(1)
        self.close_connection = True
        return True

    def log_message(self, *_: object) -> None:
        pass


class LoopbackServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, handler: type[LoopbackHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.requests: list[Request] = []
        self.headers: list[dict[str, str]] = []
        self.faults: list[Fault] = []
        """One for each of the next requests."""
        self.always: Fault | None = None
        """For those after them."""
        self.answers: Callable[[int], bool] = lambda number: True
        """Whether the request of this number, from 1 on, is answered now; until then it waits."""
        self.running = self.most_running = 0
        self.unanswered = 0

    @contextmanager
    def started(self) -> Iterator[Self]:
        with self:
            thread = threading.Thread(target=self.serve_forever, args=(0.02,))
            thread.start()
            try:
                yield self
            finally:  # or a test that fails would never end
                self.shutdown()
                thread.join()

    def hold(self, answers: Callable[[int], bool]) -> None:
        """From now on, answer only the requests of these numbers; let others wait."""
        with self.changed:
            self.answers = answers
            self.changed.notify_all()

    def let_go(self) -> None:
        """Answer all that wait, and those that follow; returns when no answer is under way."""
        self.hold(lambda number: True)
        with self.changed:
            self.changed.wait_for(lambda: not self.unanswered)

    def wait_for_requests(self, count: int, process: subprocess.Popen[Any]) -> None:
        """Wait until so many requests came, or the process that sends them ended."""
        with self.changed:
            while len(self.requests) < count and process.poll() is None:
                self.changed.wait(0.05)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/v1"

    def handle_error(self, *_: Any) -> None:
        """A client that hung up is part of the tests."""


def status(code: int, body: bytes = b'{"error": {"message": "SECRET"}}', **headers: str) -> Fault:
    def fault(handler: LoopbackHandler, _: object) -> bool:
        handler.answer(code, body, **headers)
        return True

    return fault


def body(content: bytes) -> Fault:
    return status(200, content)


def answered(_handler: LoopbackHandler, _made: object) -> bool:
    """No fault: the server answers."""
    return False
