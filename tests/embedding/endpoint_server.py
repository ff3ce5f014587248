"""A real server of an OpenAI-compatible /v1/embeddings, and ways for it to misbehave."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.loopback_server import Fault, LoopbackHandler, LoopbackServer, Request

DIMENSION = 24
MODEL = "letters"


def embedding(text: str) -> list[float]:
    """Vector of a text: how often each of 24 classes of characters is in it, not normalised."""
    counts = np.bincount([ord(c) % DIMENSION for c in text], minlength=DIMENSION) + 0.1
    return [float(count) for count in counts]


class Handler(LoopbackHandler):
    server: Server

    def respond(self, request: Request, fault: Fault | None) -> None:
        server = self.server
        if self.path != "/v1/embeddings" or request["model"] != server.model:
            self.answer(404)
            return
        data = [
            {"object": "embedding", "index": row, "embedding": server.embedding(text)}
            for row, text in enumerate(request["input"])
        ]
        if fault is None or not fault(self, data):
            self.answer(200, json.dumps({"data": data}).encode())


class Server(LoopbackServer):
    def __init__(self) -> None:
        super().__init__(Handler)
        self.model = MODEL
        self.embedding: Callable[[str], list[float]] = embedding

    @property
    def name(self) -> str:
        return f"openai:{self.url}#{MODEL}"


def changed(change: Callable[[list[dict[str, Any]]], object]) -> Fault:
    """Changes the embeddings that are sent."""

    def fault(_: Handler, data: list[dict[str, Any]]) -> bool:
        change(data)
        return False

    return fault


def stall(handler: Handler, _: list[dict[str, Any]]) -> bool:
    return handler.wait_for_the_client_to_go()


def hang_up(handler: Handler, _: list[dict[str, Any]]) -> bool:
    handler.hang_up_after(b'{"data": [')
    return True
