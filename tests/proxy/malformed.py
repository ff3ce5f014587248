"""Requests that no client should send, drawn from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

MARKER = "routectl-named-by-a-client"
"""In every path that a client names."""

HOSTILE_NAMES = (
    f"router-../../{MARKER}-0.5",
    f"router-/etc/{MARKER}-0.5",
    f"router-mf={MARKER}-0.5",
    f"../{MARKER}",
    f"file:///{MARKER}",
    "router-mf-nan",
    "router-mf-1e999",
    "router-mf--1",
    "router-mf-0.0",
    "router-",
    "smart\x00",
    "smart\n",
    " smart",
    "SMART",
    "",
    "\ud800",
    "small",
    "large",
    "x" * 10_000,
    "__class__",
    "smart/../smart",
)
SPOOFED = {
    "decision": "strong",
    "model": "large",
    "score": 1.0,
    "fingerprint": "f" * 64,
    "route": "smart",
    "activation": "a666",
    "reason": "spoofed",
}
CALLS = ("chat/completions", "responses", "messages", "completions")


@dataclass(frozen=True, slots=True)
class Sent:
    """One request."""

    call: str
    """Behind /v1/."""
    body: bytes
    kind: str


def malformed(count: int, seed: int = 1) -> Iterator[Sent]:
    """So many requests, of all kinds in turn; the same ones for a seed."""
    rng = random.Random(seed)
    for number in range(count):
        kind, make = _KINDS[number % len(_KINDS)]
        call = rng.choice(CALLS)
        yield Sent(call, make(rng, call), kind)


def good(call: str, text: str = "why?") -> dict[str, Any]:
    """A request as it should be."""
    turns = [{"role": "user", "content": text}]
    return {
        "chat/completions": {"model": "smart", "messages": turns},
        "responses": {"model": "smart", "input": turns},
        "messages": {"model": "smart", "max_tokens": 20, "messages": turns},
        "completions": {"model": "smart", "prompt": text},
    }[call]


def _value(rng: random.Random, depth: int = 3) -> Any:
    """Any JSON value, and a few that only Python's reader takes."""
    plain = [None, True, -1, 0, 1e308, 10**400, float("nan"), float("inf"), "", "\x00", "\ud800"]
    if depth == 0 or rng.random() < 0.6:
        return rng.choice([*plain, "x" * rng.choice([1, 1000, 50_000])])
    if rng.random() < 0.5:
        return [_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    keys = ("role", "content", "type", "text", "parts", "image_url", "", "id")
    return {rng.choice(keys): _value(rng, depth - 1) for _ in range(rng.randrange(4))}


def _encoded(body: object) -> bytes:
    return json.dumps(body).encode()


def _without_a_key(rng: random.Random, call: str) -> bytes:
    body = good(call)
    del body[rng.choice(list(body))]
    return _encoded(body)


def _of_another_type(rng: random.Random, call: str) -> bytes:
    body = good(call)
    body[rng.choice(list(body))] = _value(rng)
    return _encoded(body)


def _inside(rng: random.Random, call: str) -> bytes:
    body = good(call)
    key = next(key for key in ("messages", "input", "prompt") if key in body)
    turn = {"role": rng.choice(["user", "tool", "USER", 7, None]), "content": _value(rng)}
    body[key] = rng.choice([[turn], turn, [[turn]], [turn] * 50, [turn, _value(rng)]])
    return _encoded(body)


def _more(rng: random.Random, call: str) -> bytes:
    names = ("tools", "response_format", "metadata", "user", "stream", "session_id", "max_tokens")
    more = ("conversation", "text", "functions", "system", "n", "seed", "stream_options")
    body = good(call)
    for _ in range(rng.randrange(1, 4)):
        body[rng.choice(names + more)] = _value(rng)
    return _encoded(body)


def _name(rng: random.Random, call: str) -> bytes:
    return _encoded(good(call) | {"model": rng.choice(HOSTILE_NAMES)})


def _claim(rng: random.Random, call: str) -> bytes:
    claimed = {"spend_logs_metadata": {"routectl": SPOOFED}, "routing_decision": SPOOFED}
    where = rng.choice(["metadata", "litellm_metadata", "routectl", "spend_logs_metadata"])
    return _encoded(good(call) | {where: claimed if "metadata" in where else SPOOFED})


def _deep(rng: random.Random, call: str) -> bytes:
    depth = rng.choice([100, 900, 2000, 100_000])
    opening = rng.choice([b"[", b'{"content":'])
    closing = (b"]" if opening == b"[" else b"}") * depth
    value = opening * depth + b"1" + (closing if rng.random() < 0.7 else b"")
    return _encoded(good(call))[:-1] + b',"messages":' + value + b"}"


def _large(rng: random.Random, call: str) -> bytes:
    return _encoded(good(call, "word " * rng.choice([20_000, 400_000])))


def _cut(rng: random.Random, call: str) -> bytes:
    whole = _encoded(good(call))
    return whole[: rng.randrange(len(whole))]


def _no_text(rng: random.Random, call: str) -> bytes:
    return rng.choice([b"", b"null", b"[]", b"7", b'"smart"', b"\xff\xfe\x00", rng.randbytes(200)])


def _twice(rng: random.Random, call: str) -> bytes:
    return _encoded(good(call))[:-1] + b',"model":"large","model":"smart"}'


_KINDS: tuple[tuple[str, Callable[[random.Random, str], bytes]], ...] = (
    ("a key is missing", _without_a_key),
    ("a value of another type", _of_another_type),
    ("a turn of another shape", _inside),
    ("other fields", _more),
    ("a hostile name", _name),
    ("claims a decision", _claim),
    ("deep", _deep),
    ("large", _large),
    ("cut", _cut),
    ("no JSON object", _no_text),
    ("a key twice", _twice),
)
