"""Spread the prompts of prompts.jsonl over four weeks, as a LiteLLM proxy would have logged them.

    python examples/make_traffic.py --seed 20260901 --requests 3000 \
        --output examples/traffic.jsonl.gz

Each line is one StandardLoggingPayload (BerriAI/litellm, litellm/types/utils.py), without the keys
that are null in most logs. The traffic is synthetic: the prompts are written by hand; the times,
repeats, tokens and costs are drawn from the seed.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from traffic_log import Call, Message, Record, digest, new_uuid, summary, to_bytes, write_log
from traffic_settings import COMPLETION_TOKENS, REPLIES, TEAMS, TOOLS, Team

HERE = Path(__file__).resolve().parent
START = datetime(2026, 9, 7, tzinfo=UTC).timestamp()
DAY = 86_400.0
DAYS = 28
END = START + DAYS * DAY
LONGEST = 2 * 3_600.0  # no conversation takes so many seconds

FAILED_SHARE = 0.01
EMBEDDING_SHARE = 0.01
TOOL_SHARE = 0.01
IMAGE_SHARE = 0.02
IMAGE_ONLY_REQUESTS = 2
LONG_CHARACTERS = 1_500
IMAGE_TOKENS = 255


@dataclass(frozen=True, slots=True)
class Prompt:
    """One line of prompts.jsonl."""

    team: str
    difficulty: str
    language: str
    prompt: str
    conversation: str | None = None


Thread = tuple[Prompt, ...]
"""The prompts of one conversation in their order; most have one."""


def read_prompts(path: Path) -> list[Prompt]:
    """The prompts, in the file's order."""
    with path.open(encoding="utf-8") as lines:
        return [Prompt(**json.loads(line)) for line in lines]


def threads_of(prompts: Iterable[Prompt]) -> list[Thread]:
    """Prompts that name one conversation together, each other prompt by itself."""
    threads: dict[str, list[Prompt]] = {}
    for ordinal, prompt in enumerate(prompts):
        threads.setdefault(prompt.conversation or f"single {ordinal}", []).append(prompt)
    return [tuple(thread) for thread in threads.values()]


def popularity(threads: Sequence[Thread], rng: Random) -> list[float]:
    """Zipf-like weights. What is short is asked often; pasted documents are rare."""

    def effort(thread: Thread) -> float:
        foreign = 1.0 if thread[0].language == "en" else 2.0
        return (len(thread[0].prompt) + 8) * foreign * rng.lognormvariate(0, 0.5)

    efforts = [effort(thread) for thread in threads]
    weights = [0.0] * len(threads)
    for rank, index in enumerate(sorted(range(len(threads)), key=efforts.__getitem__)):
        long = max(len(p.prompt) for p in threads[index]) > LONG_CHARACTERS
        weights[index] = (0.1 if long else 1.0) / (rank + 4)
    return weights


def draw_threads(prompts: Sequence[Prompt], turns: int, rng: Random) -> list[Thread]:
    """Every thread once, then popular ones again, until there are exactly `turns` prompts."""
    drawn = threads_of(prompts)
    by_team = {team.name: [t for t in drawn if t[0].team == team.name] for team in TEAMS}
    weights = {name: popularity(threads, rng) for name, threads in by_team.items()}
    missing = turns - len(prompts)
    while missing > 0:
        (team,) = rng.choices(TEAMS, [team.share for team in TEAMS])
        (thread,) = rng.choices(by_team[team.name], weights[team.name])
        if len(thread) > 1 and rng.random() < 0.4:  # not everybody asks to the end
            thread = thread[: rng.randint(1, len(thread))]
        drawn.append(thread[:missing])
        missing -= len(drawn[-1])
    return drawn


def start_time(team: Team, rng: Random) -> float:
    """A moment in the four weeks, in the team's rhythm of hours and weekdays."""
    days = [team.weekend if day % 7 >= 5 else 1.0 for day in range(DAYS)]
    while True:
        (day,) = rng.choices(range(DAYS), days)
        (hour,) = rng.choices(range(24), team.hours)
        moment = START + day * DAY + (hour + rng.random()) * 3_600
        if moment < END - LONGEST:
            return moment


def tokens_in(messages: Iterable[Message]) -> int:
    """About four characters per token, four tokens of frame per message."""
    total = 3
    for message in messages:
        content = message["content"]
        parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
        texts = "".join(part.get("text", "") for part in parts)
        total += 4 + math.ceil(len(texts) / 4)
        total += IMAGE_TOKENS * sum(part["type"] == "image_url" for part in parts)
    return total


def image(rng: Random) -> Message:
    """An image part of a message."""
    name = f"{rng.getrandbits(32):08x}.png"
    return {"type": "image_url", "image_url": {"url": f"https://files.example.com/{name}"}}


def reply_to(prompt: Prompt) -> str:
    """What stands in for the answer: the same one whenever the prompt is the same."""
    replies = REPLIES[prompt.language]
    return replies[int(digest("reply", prompt.prompt)[:8], 16) % len(replies)]


def converse(thread: Thread, rng: Random) -> list[Call]:
    """The calls of one conversation; each carries the messages of the turns before it."""
    (team,) = (team for team in TEAMS if team.name == thread[0].team)
    trace = new_uuid(rng)
    user = digest("user", team.name, min(int(rng.expovariate(0.15)), team.people - 1))[:24]
    group = "gpt-4o-mini" if rng.random() < team.mini_share else "smart"
    history: list[Message] = []
    if team.system_prompt and rng.random() < team.system_share:
        history.append({"role": "system", "content": team.system_prompt})
    now = start_time(team, rng)
    calls = []
    for turn, prompt in enumerate(thread):
        content: str | list[Message] = prompt.prompt
        if prompt.difficulty == "easy" and rng.random() < IMAGE_SHARE:
            content = [{"type": "text", "text": prompt.prompt}, image(rng)]
        messages = [*history, {"role": "user", "content": content}]
        median, spread = COMPLETION_TOKENS[prompt.difficulty]
        completion = min(4_096, max(1, round(rng.lognormvariate(math.log(median), spread))))
        reply = {"role": "assistant", "content": reply_to(prompt)}
        seconds = 0.3 + completion * rng.uniform(0.008, 0.016)
        calls.append(
            Call(
                team=team,
                group=group,
                start=now,
                seconds=seconds,
                trace=trace,
                user=user,
                messages=messages,
                reply=reply,
                tokens_in=tokens_in(messages),
                tokens_out=completion,
                plain=turn == 0 and isinstance(content, str),
            )
        )
        history = [*messages, reply]
        now += seconds + 15 + min(900, rng.lognormvariate(math.log(90), 0.8))
    return calls


def after_tool(call: Call, rng: Random) -> tuple[Call, Call]:
    """The call as one that asks for a tool, and the one that brings the tool's result."""
    tool, arguments, result = TOOLS[call.team.name]
    tool_call = {
        "id": f"call_{rng.getrandbits(48):012x}",
        "type": "function",
        "function": {"name": tool, "arguments": arguments},
    }
    asked: Message = {"role": "assistant", "content": None, "tool_calls": [tool_call]}
    answered = {"role": "tool", "tool_call_id": tool_call["id"], "content": result}
    messages: list[Any] = [*call.messages, asked, answered]
    first = replace(call, reply=asked, tokens_out=24, seconds=0.6, plain=False)
    second = replace(
        call,
        start=call.start + first.seconds + rng.uniform(0.2, 2),
        messages=messages,
        tokens_in=tokens_in(messages),
        plain=False,
    )
    return first, second


def embedding(prompt: Prompt, rng: Random) -> Call:
    """A call that is no router traffic: a text on its way into a search index."""
    (team,) = (team for team in TEAMS if team.name == prompt.team)
    return Call(
        team=team,
        group="text-embedding-3-small",
        start=start_time(team, rng),
        seconds=rng.uniform(0.05, 0.3),
        trace=new_uuid(rng),
        user="",
        messages=[prompt.prompt],
        reply={},
        tokens_in=math.ceil(len(prompt.prompt) / 4),
        tokens_out=0,
        call_type="aembedding",
    )


def image_only(rng: Random) -> Call:
    """A customer's photo without a word."""
    thread = (Prompt("support", "easy", "en", ""),)
    call = converse(thread, rng)[0]
    messages: list[Message] = [{"role": "user", "content": [image(rng)]}]
    return replace(call, messages=messages, tokens_in=tokens_in(messages), plain=False)


def make_traffic(prompts: Sequence[Prompt], requests: int, seed: int) -> list[Record]:
    """Exactly `requests` log records; every prompt occurs at least once.

    Raises ValueError when `requests` is too small for that.
    """
    rng = Random(seed)
    failures, embeddings, tools = (
        math.ceil(requests * share) for share in (FAILED_SHARE, EMBEDDING_SHARE, TOOL_SHARE)
    )
    turns = requests - failures - embeddings - tools - IMAGE_ONLY_REQUESTS
    if turns < len(prompts):
        raise ValueError(f"{requests} requests cannot hold all {len(prompts)} prompts")
    conversations = [converse(thread, rng) for thread in draw_threads(prompts, turns, rng)]
    able = [c for c in conversations if c[-1].team.name in TOOLS]
    for conversation in rng.sample(able, tools):
        conversation[-1:] = after_tool(conversation[-1], rng)
    calls = [call for conversation in conversations for call in conversation]
    calls += [embedding(rng.choice(prompts), rng) for _ in range(embeddings)]
    calls += [image_only(rng) for _ in range(IMAGE_ONLY_REQUESTS)]
    calls.sort(key=lambda call: call.start)
    return write_log(calls, failures, rng)


def main() -> None:
    """Write the traffic and say what it holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=20260901)
    parser.add_argument("--requests", type=int, default=3_000, help="log records to write")
    parser.add_argument("--output", type=Path, default=HERE / "traffic.jsonl.gz")
    options = parser.parse_args()
    prompts = read_prompts(HERE / "prompts.jsonl")
    try:
        records = make_traffic(prompts, options.requests, options.seed)
    except ValueError as error:
        parser.error(f"{error}; ask for more with --requests")
    options.output.write_bytes(to_bytes(records))
    print(f"{'distinct prompts':34}{len({p.prompt for p in prompts}):>18}")
    for name, value in summary(records):
        print(f"{name:34}{value!s:>18}")


if __name__ == "__main__":
    main()
