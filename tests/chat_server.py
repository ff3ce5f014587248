"""A real server of an OpenAI-compatible /v1/chat/completions, and ways for it to misbehave."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.loopback_server import Fault, LoopbackHandler, LoopbackServer, Request

STRONG, WEAK, JUDGE = "big", "small", "critic"
PRICES = {STRONG: (10, 30), WEAK: (1, 2), JUDGE: (5, 20)}
"""US dollars per million tokens in and out, as `--price` says them in the tests."""

PAIR_AND_PRICES = (
    *("--strong-model", STRONG, "--weak-model", WEAK, "--judge", JUDGE),
    *(f"--price={model}={price_in}/{out}" for model, (price_in, out) in PRICES.items()),
)
"""Options of the commands that ask it."""

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


class Handler(LoopbackHandler):
    server: Server

    def respond(self, request: Request, fault: Fault | None) -> None:
        request["model"] = self.server.named.get(request["model"], request["model"])
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


class Server(LoopbackServer):
    def __init__(self) -> None:
        super().__init__(Handler)
        self.named: dict[str, str] = {}
        """Other names of the three models."""
        self.written = 40
        """Tokens of an answer."""
        self.charged = Decimal(0)
        """US dollars, for every answer that was computed, whether or not it arrived."""
        self.answered: Counter[str] = Counter()
        """How often each question was answered and charged for."""
        self.answer: Callable[[str, str], str] = answer
        self.verdict: Callable[[str, str, str], str] = fair_verdict

    def asked(self, model: str) -> int:
        """How often a model was asked."""
        return sum(request["model"] == model for request in self.requests)


def changed(**changes: Any) -> Fault:
    """An answer that is charged for, with other fields."""

    def fault(handler: Handler, request: Request) -> bool:
        handler.answer(200, handler.completion(request, **changes))
        return True

    return fault


def stall(handler: Handler, request: Request) -> bool:
    """Computes an answer, and never sends it."""
    handler.completion(request)
    return handler.wait_for_the_client_to_go()


def hang_up(handler: Handler, request: Request) -> bool:
    """Computes an answer, and sends a part of it."""
    handler.completion(request)
    handler.hang_up_after(b'{"choices": [')
    return True
