"""A proxy decides as the calibration did: same text, same score, same policy."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from routectl.errors import InputError
from routectl.export import ActiveRoute
from routectl.policy import decide
from routectl.proxy import Decider, Decision, RequestFacts, Running
from routectl.records import Limits
from routectl.routers import open_router
from tests.proxy.routes import route, write_routes

ROOT = Path(__file__).parents[2]


def chat(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def decided(
    tmp_path: Path, active: ActiveRoute, *bodies: object, deadline: float = 60
) -> list[Decision]:
    """What each body gets, all at once."""
    running = Running(write_routes(tmp_path / "routes.json", smart=active))
    decider = Decider(running, deadline)

    async def all_of_them() -> list[Decision]:
        return await asyncio.gather(*(decider.decide("smart", body) for body in bodies))

    try:
        return asyncio.run(all_of_them())
    finally:
        running.close()


def test_each_request_gets_what_its_stored_score_says(tmp_path: Path) -> None:
    active = route("0.5")
    texts = ["word " * number for number in range(1, 200)]
    stored = open_router("length").load().strong_win_rates(texts)
    expected = decide(active.policy, stored)

    decisions = decided(tmp_path, active, *map(chat, texts))

    assert [d.score for d in decisions] == stored.tolist()
    assert [d.model for d in decisions] == expected.name.tolist()
    assert {d.decision for d in decisions} == {"strong", "weak"}
    assert {(d.reason, d.activation, d.extraction_version) for d in decisions} == {
        ("threshold", "a7", 2)
    }
    assert {d.fingerprint for d in decisions} == {active.policy.routers[0].fingerprint}


def test_the_last_human_text_is_scored_in_any_shape(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "why?"}, {"type": "image_url", "image_url": {"url": "x"}}]
    bodies = [
        chat("why?"),
        {"messages": [{"role": "user", "content": parts}, {"role": "tool", "content": "42"}]},
        {"input": "why?"},
        "why?",
    ]

    assert len({d.score for d in decided(tmp_path, route(), *bodies)}) == 1


@pytest.mark.parametrize("body", [{}, [], None, 7, chat(""), chat(" \n"), {"messages": {"a": 1}}])
def test_a_request_without_text_gets_the_fallback(tmp_path: Path, body: object) -> None:
    (decision,) = decided(tmp_path, route(fallback="weak"), body)

    assert (decision.model, decision.reason, decision.score) == ("small", "no_text", None)


@pytest.mark.parametrize(
    ("fallback", "share"), [("strong", 1.0), ("weak", 0.0), ("share", 0.3), (None, 0.3)]
)
def test_after_the_deadline_the_fallback_decides(
    tmp_path: Path, fallback: str | None, share: float
) -> None:
    bodies = [chat(f"question {number}") for number in range(1500)]

    decisions = decided(tmp_path, route(fallback=fallback), *bodies, deadline=-1.0)

    assert {d.reason for d in decisions} == {"timeout"}
    # Which requests are strong is their hash, so this share is always the same.
    strong = np.mean([d.decision == "strong" for d in decisions])
    assert strong == pytest.approx(share, abs=0.03)
    again = decided(tmp_path, route(fallback=fallback), *bodies[:50], deadline=-1.0)
    assert again == decisions[:50]


def test_requests_without_a_text_are_drawn_each_for_itself(tmp_path: Path) -> None:
    bodies = [{"messages": [], "session_id": f"s{number}"} for number in range(1500)]

    decisions = decided(tmp_path, route(fallback="share"), *bodies)

    assert {d.reason for d in decisions} == {"no_text"}
    strong = np.mean([d.decision == "strong" for d in decisions])
    assert strong == pytest.approx(0.3, abs=0.03)
    assert decided(tmp_path, route(fallback="share"), *bodies[:50]) == decisions[:50]
    decided(tmp_path, route(), {"messages": [], "session_id": "\ud800"})


def test_an_unconditional_policy_scores_nothing(tmp_path: Path) -> None:
    active = route(rule="always_weak", thresholds=(), share=None)

    (decision,) = decided(tmp_path, active, chat("word " * 5000))

    assert (decision.model, decision.reason, decision.score) == ("small", "always_weak", None)


def test_a_shadow_scores_each_request_and_serves_the_strong_model(tmp_path: Path) -> None:
    texts = ["word " * number for number in range(1, 200, 9)]
    live = decided(tmp_path, route("0.5"), *map(chat, texts))

    shadow = decided(tmp_path, route("0.5", mode="shadow"), *map(chat, texts))

    assert {(d.model, d.decision, d.reason, d.probability) for d in shadow} == {
        ("large", "strong", "shadow", 1.0)
    }
    assert [d.score for d in shadow] == [d.score for d in live]
    assert [d.would_be for d in shadow] == [d.decision for d in live]
    assert {d.would_be for d in shadow} == {"strong", "weak"}
    late = decided(tmp_path, route("0.5", mode="shadow"), chat("why?"), deadline=-1.0)
    assert [(d.decision, d.would_be_reason) for d in late] == [("strong", "timeout")]


def test_a_canary_keeps_each_conversation_on_one_side(tmp_path: Path) -> None:
    active = route("1.0", mode="canary=0.5")
    bodies = [
        {**chat(f"question {turn}"), "session_id": f"s{session}", "user": f"u{turn}"}
        for session in range(60)
        for turn in range(3)
    ]

    reasons = [d.reason for d in decided(tmp_path, active, *bodies)]

    sides = [set(reasons[at : at + 3]) for at in range(0, len(reasons), 3)]
    assert all(len(side) == 1 for side in sides)
    assert {"threshold", "canary_out"} == set(reasons)
    assert decided(tmp_path, active, *bodies[:9]) == decided(tmp_path, active, *bodies[:9])


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": [IMAGE]}]},
        {"messages": [{"role": "user", "content": [IMAGE]}, {"role": "user", "content": "why?"}]},
        [{"role": "user", "content": [IMAGE]}],
        {**chat("why?"), "tools": [{"type": "function", "function": {"name": "f"}}]},
        {**chat("why?"), "response_format": {"type": "json_schema"}},
        {"input": "why?", "text": {"format": {"type": "json_object"}}},
        {**chat("why?"), "max_tokens": 4000},
        chat("word " * 3000),
        {
            "messages": [
                {"role": "system", "content": "rule " * 3000},
                {"role": "user", "content": "?"},
            ]
        },
    ],
)
def test_what_the_weak_model_cannot_take_is_strong_whatever_its_score_is(
    tmp_path: Path, body: object
) -> None:
    limits = {"small": Limits(context=4000, images=False, tools=False, response_format=False)}
    active = route("1.0", limits=limits, fallback="weak")

    strong, weak = decided(tmp_path, active, body, chat("why?"))

    assert (strong.model, strong.reason, strong.score) == ("large", "needs_strong", None)
    assert (weak.model, weak.reason) == ("small", "threshold")


def turns(*parts: dict[str, object]) -> dict[str, object]:
    """A request whose question follows a turn of those parts."""
    return {"messages": [{"role": "user", "content": [*parts]}, {"role": "user", "content": "?"}]}


ANTHROPIC_IMAGE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": "A" * 30_000},
}


@pytest.mark.parametrize(
    "body",
    [
        turns({"type": "tool_result", "tool_use_id": "t", "content": [ANTHROPIC_IMAGE]}),
        {
            "input": [
                {
                    "type": "function_call_output",
                    "call_id": "c",
                    "output": [{"type": "input_image", "image_url": "https://example.com/a.png"}],
                },
                {"role": "user", "content": "?"},
            ]
        },
    ],
)
def test_an_image_in_a_tools_result_is_an_image(tmp_path: Path, body: object) -> None:
    active = route("1.0", limits={"small": Limits(images=False)})
    assert decided(tmp_path, active, body)[0].model == "large"


@pytest.mark.parametrize(
    "body",
    [
        turns({"type": "tool_use", "id": "t", "name": "f", "input": {"data": "word " * 3000}}),
        turns(
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "word " * 3000},
            }
        ),
        {
            **chat("why?"),
            "tools": [
                {
                    "name": f"f{n}",
                    "parameters": {"properties": {f"key_{n}_{k}": 1 for k in range(60)}},
                }
                for n in range(25)
            ],
        },
    ],
)
def test_what_a_model_reads_counts_wherever_it_is(tmp_path: Path, body: object) -> None:
    active = route("1.0", limits={"small": Limits(context=4000)})
    assert decided(tmp_path, active, body)[0].model == "large"


@pytest.mark.parametrize(
    "part",
    [
        ANTHROPIC_IMAGE,
        {"type": "input_audio", "input_audio": {"format": "wav", "data": "A" * 30_000}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "A" * 30_000}},
        {"inlineData": {"mimeType": "image/png", "data": "A" * 30_000}},
    ],
)
def test_a_file_written_out_takes_no_tokens_of_the_context(
    tmp_path: Path, part: dict[str, object]
) -> None:
    active = route("1.0", limits={"small": Limits(context=4000)})
    assert decided(tmp_path, active, turns(part))[0].model == "small"


def test_an_image_takes_no_tokens_of_the_context(tmp_path: Path) -> None:
    active = route("1.0", limits={"small": Limits(context=4000)})
    body = {"messages": [{"role": "user", "content": [IMAGE, {"type": "text", "text": "why?"}]}]}

    assert decided(tmp_path, active, body)[0].model == "small"


def test_a_route_that_does_not_run_is_one_sentence(tmp_path: Path) -> None:
    running = Running(write_routes(tmp_path / "routes.json", smart=route()))
    with pytest.raises(InputError, match="the routes are smart"):
        asyncio.run(Decider(running).decide("router-../../x-0.5", {}))
    running.close()


BLOCKED = """
import asyncio, json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "sqlalchemy", "scipy"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
from pathlib import Path
from routectl.proxy import Decider, Running
running = Running(Path(sys.argv[1]))
decision = asyncio.run(Decider(running).decide("smart", {"input": "why?"}))
print(json.dumps(decision.to_json()))
"""


@pytest.mark.parametrize(
    "router",
    [
        "length",
        "random",
        pytest.param("mf", marks=pytest.mark.slow),
        pytest.param("bert", marks=pytest.mark.slow),
        pytest.param("sw_ranking", marks=pytest.mark.slow),
        pytest.param("ensemble", marks=pytest.mark.slow),
    ],
)
def test_a_proxy_needs_no_torch_transformers_or_sqlalchemy(tmp_path: Path, router: str) -> None:
    if router not in ("length", "random"):
        pytest.importorskip("onnxruntime")
    path = write_routes(tmp_path / "routes.json", smart=route(router=router))

    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, path], capture_output=True, text=True, check=False, cwd=ROOT
    )

    assert done.returncode == 0, done.stderr
    decision = json.loads(done.stdout)
    stored = open_router(router).load().strong_win_rates(["why?"])[0]
    noise = open_router(router).identity.noise
    assert decision["score"] == pytest.approx(stored, abs=max(noise, 1e-12))
    assert decision["reason"] == "threshold"


BY_TEAM = {"segments": {"search": ("0.0",), "b\u00fcro": ("1.0",)}, "segment_field": "team"}


def decided_for(tmp_path: Path, given: RequestFacts, body: object, **parts: Any) -> Decision:
    """What a request of a policy by team gets, of which something is known."""
    running = Running(write_routes(tmp_path / "routes.json", smart=route("0.5", **BY_TEAM | parts)))
    try:
        return asyncio.run(Decider(running, 60).decide("smart", body, given))
    finally:
        running.close()


@pytest.mark.parametrize(
    ("given", "decision", "reason"),
    [
        (RequestFacts(segment="search"), "strong", "segment_threshold"),
        (RequestFacts(fields={"team": "search"}), "strong", "segment_threshold"),
        (RequestFacts(fields={"team": None, "key_alias": "search"}), "weak", "threshold"),
        (RequestFacts(segment="other"), "weak", "threshold"),
        (RequestFacts(), "weak", "threshold"),
    ],
)
def test_a_segment_is_what_the_gateway_says_it_is(
    tmp_path: Path, given: RequestFacts, decision: str, reason: str
) -> None:
    lie = {"team": "search", "segment": "search", "metadata": {"user_api_key_team_alias": "search"}}
    got = decided_for(tmp_path, given, chat("why?") | lie)
    assert (got.decision, got.reason) == (decision, reason)
