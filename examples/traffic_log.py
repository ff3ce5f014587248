"""Calls as the log records that a LiteLLM proxy writes."""

from __future__ import annotations

import gzip
import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from traffic_settings import MODELS, PRICES, Team

CACHE_SECONDS = 86_400.0
CACHED_SHARE = 0.25

Message = dict[str, Any]
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One call before it is written as a log record. Times in seconds since the epoch."""

    team: Team
    group: str
    start: float
    seconds: float
    trace: str
    user: str
    messages: list[Message] | list[str]
    reply: Message
    tokens_in: int
    tokens_out: int
    call_type: str = "acompletion"
    plain: bool = False
    """A first turn of text alone: what the proxy's cache can answer."""


def new_uuid(rng: Random) -> str:
    """A random UUID that depends on the seed only."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def digest(*parts: object) -> str:
    """What stands in for the hash of a user or key."""
    return hashlib.sha256(":".join(map(str, parts)).encode()).hexdigest()


def record(call: Call, call_id: str, response_id: str) -> Record:
    """The successful call as LiteLLM logs it."""
    price_in, price_out = PRICES[call.group]
    finish = "tool_calls" if "tool_calls" in call.reply else "stop"
    choices = [{"finish_reason": finish, "index": 0, "message": call.reply}] if call.reply else []
    start, end = round(call.start, 3), round(call.start + call.seconds, 3)
    return {
        "id": response_id,
        "trace_id": call.trace,
        "litellm_call_id": call_id,
        "call_type": call.call_type,
        "status": "success",
        "cache_hit": False,
        "saved_cache_cost": 0.0,
        "startTime": start,
        "endTime": end,
        "response_time": round(end - start, 3),
        "model": MODELS[call.group],
        "model_group": call.group,
        "custom_llm_provider": "openai",
        "api_base": "https://llm.example.com/v1",
        "metadata": {
            "user_api_key_hash": digest("key", call.team.name),
            "user_api_key_alias": call.team.key_alias,
            "user_api_key_team_id": f"team-{digest('team', call.team.name)[:8]}",
            "user_api_key_team_alias": call.team.name,
        },
        "request_tags": list(call.team.tags),
        "end_user": call.user,
        "prompt_tokens": call.tokens_in,
        "completion_tokens": call.tokens_out,
        "total_tokens": call.tokens_in + call.tokens_out,
        "response_cost": round(call.tokens_in * price_in + call.tokens_out * price_out, 9),
        "messages": call.messages,
        "response": {"choices": choices},
        "error_str": None,
    }


def retried(success: Record, rng: Random) -> tuple[Record, Record]:
    """A failed attempt, whose id is the call's as in LiteLLM, and the success of its retry."""
    waited = rng.uniform(1, 8)
    start = success["startTime"]
    error = rng.choice(["RateLimitError", "Timeout", "InternalServerError"])
    failure = success | {
        "id": success["litellm_call_id"],
        "status": "failure",
        "endTime": round(start + waited / 2, 3),
        "response_time": round(waited / 2, 3),
        "completion_tokens": 0,
        "total_tokens": success["prompt_tokens"],
        "response_cost": 0.0,
        "response": {},
        "error_str": f"litellm.{error}: the deployment did not answer",
    }
    later = {key: round(success[key] + waited, 3) for key in ("startTime", "endTime")}
    return failure, success | later


def cached(hit: Record, original: Record) -> Record:
    """`hit` answered from the cache; LiteLLM says so in the id and books no cost."""
    end = round(hit["startTime"] + 0.02, 3)
    return hit | {
        "id": f"{original['id']}_cache_hit{hit['startTime']}",
        "cache_hit": True,
        "saved_cache_cost": original["response_cost"],
        "response_cost": 0.0,
        "completion_tokens": original["completion_tokens"],
        "total_tokens": hit["prompt_tokens"] + original["completion_tokens"],
        "response": original["response"],
        "endTime": end,
        "response_time": 0.02,
    }


def write_log(calls: Sequence[Call], failures: int, rng: Random) -> list[Record]:
    """The calls as log records in the order of their times, with cache hits and failed attempts."""
    able = [i for i, call in enumerate(calls) if call.reply and "tool_calls" not in call.reply]
    unlucky = set(rng.sample(able, failures))
    seen: dict[str, Record] = {}
    records: list[Record] = []
    for index, call in enumerate(calls):
        row = record(call, new_uuid(rng), f"chatcmpl-{rng.getrandbits(128):032x}")
        if index in unlucky:
            records += retried(row, rng)
            continue
        if call.plain:
            key = json.dumps([call.group, call.messages])
            before = seen.get(key)
            fresh = before is not None and row["startTime"] - before["endTime"] < CACHE_SECONDS
            if before is not None and fresh and rng.random() < CACHED_SHARE:
                row = cached(row, before)
            else:
                seen[key] = row
        records.append(row)
    return sorted(records, key=lambda row: float(row["startTime"]))


def to_bytes(records: Iterable[Record]) -> bytes:
    """JSON lines in gzip. No time stamp and no file name, so equal records give equal bytes."""
    lines = (json.dumps(r, ensure_ascii=False, separators=(",", ":")) + "\n" for r in records)
    return gzip.compress("".join(lines).encode(), compresslevel=9, mtime=0)


def summary(records: Sequence[Record]) -> list[tuple[str, object]]:
    """What the records hold, for the person who made them."""
    chats = [r for r in records if r["call_type"] == "acompletion"]
    turns = Counter(r["trace_id"] for r in chats if r["status"] == "success")
    groups = Counter(r["model_group"] for r in chats)
    teams = Counter(r["metadata"]["user_api_key_team_alias"] for r in chats)
    return [
        ("records", len(records)),
        ("from", datetime.fromtimestamp(records[0]["startTime"], UTC).isoformat(" ", "minutes")),
        ("to", datetime.fromtimestamp(records[-1]["startTime"], UTC).isoformat(" ", "minutes")),
        ("chat calls", len(chats)),
        ("embedding calls", len(records) - len(chats)),
        ("failed attempts", sum(r["status"] == "failure" for r in chats)),
        ("cache hits", sum(r["cache_hit"] for r in chats)),
        ("conversations of 2 or more calls", sum(n > 1 for n in turns.values())),
        ("calls in them", sum(n for n in turns.values() if n > 1)),
        *((f"model group {name}", n) for name, n in groups.most_common()),
        *((f"team {name}", n) for name, n in teams.most_common()),
        ("cost in USD", f"{sum(r['response_cost'] for r in records):.2f}"),
    ]
