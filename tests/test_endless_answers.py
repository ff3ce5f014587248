"""An endpoint that never ends its answer is left after the stated time and size."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from routectl.embedding import endpoint as embedding
from routectl.endpoint import Endpoint, Patience, Service
from routectl.errors import EndpointError
from routectl.workflow.judging import setup as judging

MOST_SECONDS = 0.3
MOST_BYTES = 200_000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

Answer = Callable[[socket.socket, threading.Event], None]


def repeat(connection: socket.socket, over: threading.Event, part: bytes, pause: float) -> None:
    """Send a part again and again, until the client or the test has gone."""
    with suppress(OSError):
        while not over.wait(pause):
            connection.sendall(part)


def byte_by_byte(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n")
    repeat(connection, over, b" ", 0.05)


def header_byte_by_byte(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    repeat(connection, over, b"a", 0.05)


def slow_continues(connection: socket.socket, over: threading.Event) -> None:
    repeat(connection, over, b"HTTP/1.1 100 Continue\r\n\r\n", 0.02)


def fast_continues(connection: socket.socket, over: threading.Event) -> None:
    repeat(connection, over, b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0.0)


def huge_json(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(HEAD + b"Connection: close\r\n\r\n[")
    repeat(connection, over, b"[]," * 20_000, 0.0)


def huge_chunks(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    repeat(connection, over, b"1000\r\n" + b" " * 0x1000 + b"\r\n", 0.0)


def huge_length(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(HEAD + b"Content-Length: 240000000\r\n\r\n")
    repeat(connection, over, b" " * 60_000, 0.0)


def endless_refusal(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 1000000\r\n\r\n")
    repeat(connection, over, b" ", 0.05)


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """A server on loopback that takes each request and answers so."""
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            answer(connection, over)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threads.append(threading.Thread(target=serve, args=(connection,)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threads = [threading.Thread(target=accept)]
        threads[0].start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (byte_by_byte, "does not finish its answer in 0.3 s"),
        (header_byte_by_byte, "does not finish its answer in 0.3 s"),
        (slow_continues, "does not finish its answer in 0.3 s"),
        (fast_continues, "answers with more than an answer can be"),
        (huge_json, "answers with more than an answer can be"),
        (huge_chunks, "answers with more than an answer can be"),
        (huge_length, "answers with more than an answer can be"),
        (endless_refusal, "HTTP 503"),
    ],
)
def test_an_answer_ends_at_the_stated_time_and_size(answer: Answer, words: str) -> None:
    service = Service(
        name="endpoint",
        path="/x",
        keys=("ROUTECTL_NO_KEY",),
        largest_answer=MOST_BYTES,
        too_long="ask for less",
        error=EndpointError,
    )
    patience = Patience(request=0.2, answer=MOST_SECONDS, attempts=1)
    with serving(answer) as url, pytest.raises(EndpointError, match=words):
        Endpoint(url, "model", service, patience).post({}, threading.Event())


def test_every_service_that_is_asked_states_a_size_and_a_time() -> None:
    assert embedding.SERVICE.largest_answer <= 2**25
    assert embedding.PATIENCE.answer <= 300
    assert judging.PATIENCE.answer <= 900
