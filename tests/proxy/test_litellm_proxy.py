"""A real LiteLLM proxy with two workers routes as the stored scores say, and its log says so."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from routectl.export import litellm_fragment
from routectl.policy import decide
from routectl.records import Limits
from routectl.routers import open_router
from tests.conftest import Routectl
from tests.loopback_server import LoopbackServer
from tests.proxy.litellm_server import ADDRESS, ALIAS, MASKED, litellm_proxy
from tests.proxy.routes import route, write_routes
from tests.proxy.shapes import FAILS, LIE, Asked, Upstream, asked_by

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture
def upstream() -> Iterator[LoopbackServer]:
    with LoopbackServer(Upstream).started() as server:
        yield server


def chat(text: str, **more: object) -> Asked:
    turns = [{"role": "user", "content": text}]
    return "/v1/chat/completions", {"model": "smart", "messages": turns, **more}


def test_the_proxy_decides_as_the_stored_scores_do_and_its_log_is_imported_without_a_flag(
    litellm_python: str,
    upstream: LoopbackServer,
    tmp_path: Path,
    routectl: Routectl,
    database: Path,
) -> None:
    lines = (ROOT / "examples" / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    prompts = list(dict.fromkeys(json.loads(line)["prompt"] for line in lines))[:240]
    sent = [f"{text} {ADDRESS}" if n % 4 == 0 else text for n, text in enumerate(prompts)]
    texts = [text.replace(ADDRESS, MASKED) for text in sent]
    opened = open_router("mf")
    stored = opened.load().strong_win_rates(texts)
    ordered = np.sort(stored)
    threshold = f"{(ordered[168] + ordered[167]) / 2:.8f}"
    active = route(threshold, router="mf", limits={"small": Limits(tools=False)})
    expected = decide(active.policy, stored)
    write_routes(tmp_path / "routes.json", smart=active)
    strong = texts[int(np.argmax(expected.model))]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]

    fragment = litellm_fragment({"smart": active})
    with litellm_proxy(litellm_python, tmp_path, fragment, upstream) as proxy:
        with ThreadPoolExecutor(8) as pool:
            bodies = [asked_by(number, text) for number, text in enumerate(sent)]
            answers = list(pool.map(lambda asked: proxy.post(*asked), bodies))
        assert {status for status, _ in answers} == {200}, answers
        failing = proxy.post(*chat(f"{strong} {FAILS}"))
        with_tools = proxy.post(*chat("hi", tools=tools))
        lied = {"spend_logs_metadata": {"routectl": LIE}}
        direct = proxy.post(*chat("past the route", model="large", metadata=lied))
        empty = proxy.post(*chat(""))
        for _ in range(8):  # each of two workers has a cache of its own
            proxy.post(*chat("asked again"))
        proxy.rows(len(texts) + 13)

    assert [status for status, _ in (failing, with_tools, direct, empty)] == [200] * 4
    done = routectl("import", proxy.log)
    assert done.code == 0, done.err
    query = (
        "SELECT p.text, r.* FROM requests r LEFT JOIN prompts p ON p.id = r.prompt_id ORDER BY r.id"
    )
    with sqlite3.connect(database) as connection:
        connection.row_factory = sqlite3.Row
        imported = connection.execute(query).fetchall()
    connection.close()
    by_text = {row["text"]: row for row in imported}
    agreed = 0
    for (_, answer), text, score, model in zip(answers, texts, stored, expected.name, strict=True):
        row = by_text[text]
        # Requests come as soon as the port is open, while each worker still loads its router. On a
        # busy machine that takes too long for some, and a score can come too late.
        assert row["proxy_reason"] in ("threshold", "timeout")
        if row["proxy_reason"] != "threshold":
            continue
        agreed += 1
        assert f"from {model}" in answer
        assert row["proxy_decision"] == {"large": "strong", "small": "weak"}[model]
        assert row["proxy_score"] == pytest.approx(score, abs=opened.identity.noise)
        assert row["proxy_fingerprint"] == opened.identity.fingerprint
        assert (row["proxy_route"], row["proxy_activation"]) == ("smart", "a7")
        assert (row["proxy_model"], row["proxy_extraction_version"]) == (model, 2)
    assert agreed > 0.9 * len(texts)
    assert np.mean(expected.model) == pytest.approx(0.3)

    assert "from small" in failing[1]
    fallback = by_text[f"{strong} {FAILS}"]
    assert (fallback["proxy_decision"], fallback["proxy_reason"]) == ("strong", "fallback")
    assert by_text["hi"]["proxy_reason"] == "needs_strong"
    assert {row["proxy_reason"] for row in imported if row["cache_hit"]} == {"cache_hit"}
    assert {row["proxy_decision"] for row in imported if row["cache_hit"]} == {None}
    (without_text,) = (row for row in imported if row["text"] is None)
    assert (without_text["proxy_reason"], without_text["proxy_route"]) == ("overridden", "smart")
    reasons = {row["proxy_reason"] for row in imported if row["model_group"] == "large"}
    assert reasons == {None}
    assert "spoofed" not in {row["proxy_reason"] for row in imported}
    for why in ("fallback", "cache hit", "overridden"):
        assert f"requests of a route: {why}" in done.out


def test_a_request_of_a_route_or_its_alias_is_decided_and_neither_changed_nor_obeyed(
    litellm_python: str, upstream: LoopbackServer, tmp_path: Path
) -> None:
    active = route("0.5")
    write_routes(tmp_path / "routes.json", smart=active)
    answered = {"role": "assistant", "content": "yes"}
    turns = [{"role": "user", "content": "word " * 9000}, answered]
    turns.append({"role": "user", "content": "why?"})
    long = {"model": "smart", "messages": turns, "max_tokens": 9}

    fragment = litellm_fragment({"smart": active})
    with litellm_proxy(litellm_python, tmp_path, fragment, upstream) as proxy:
        ordered = proxy.post(*chat("LITELLM ESCALATE", max_tokens=9))
        whole = proxy.post("/v1/chat/completions", long)

        aliased = proxy.post(*chat("hi", model=ALIAS, max_tokens=9))
        stream = proxy.post(*chat("hi", max_tokens=9, stream=True))
        rows = proxy.rows(4)

    answers = (ordered, whole, aliased, stream)
    assert [status for status, _ in answers] == [200] * 4, answers
    assert [sent["model"] for sent in upstream.requests] == ["small"] * 4
    assert [sent["max_tokens"] for sent in upstream.requests] == [9] * 4
    assert upstream.requests[1]["messages"] == turns
    (row,) = (row for row in rows if row["model_group"] == ALIAS)
    assert row["metadata"]["spend_logs_metadata"]["routectl"]["route"] == "smart"
    # Of a stream's tokens LiteLLM logs what its provider says, which it must be asked for.
    assert upstream.requests[3]["stream_options"] == {"include_usage": True}
    assert "prompt_tokens" not in stream[1]
    assert {(row["prompt_tokens"], row["completion_tokens"]) for row in rows} == {(1, 1)}


IMPORTED = """
import copy, threading
import routectl.proxy.litellm_hook as hook
assert threading.active_count() == 1 and "plugin" not in vars(hook)
assert copy.deepcopy([hook.plugin]) == [hook.plugin] and threading.active_count() == 2
"""


def in_litellm(python: str, code: str, folder: Path) -> None:
    """Run code in the environment with LiteLLM."""
    done = subprocess.run(
        [python, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "ROUTECTL_ROUTES": str(folder / "routes.json"),
        },
    )
    assert done.returncode == 0, done.stderr


def test_routers_are_loaded_as_the_configuration_is_read_and_not_by_an_import(
    litellm_python: str, tmp_path: Path
) -> None:
    in_litellm(litellm_python, IMPORTED, tmp_path)


OTHER_MODELS = """
import os
from pathlib import Path
from routectl.proxy.litellm_hook import RoutectlPlugin
from tests.proxy.routes import route, write_routes

path = Path(os.environ["ROUTECTL_ROUTES"])
other = {"models": ("tiny", "large"), "activation_id": 8}
write_routes(path, smart=route("0.5"))
running = RoutectlPlugin()._decider.running
running.tried.result()
running.close()  # the thread would look, too

write_routes(path, smart=route("0.7", **other))
running.check()
assert running.routes["smart"].active.policy.activation_id == 7
assert "restart LiteLLM" in running.problem

always = {"rule": "always_weak", "thresholds": ()}
write_routes(path, smart=route(**{**other, **always}), new=route("0.5", **other))
running.check()
assert running.routes["smart"].active.policy.rule == "always_weak"
assert (running.problem, list(running.routes)) == (None, ["smart", "new"])
"""


def test_a_policy_between_other_models_waits_for_a_restart_and_always_weak_does_not(
    litellm_python: str, tmp_path: Path
) -> None:
    in_litellm(litellm_python, OTHER_MODELS, tmp_path)


CHECKED = """
import asyncio
import litellm
from fastapi import HTTPException
from litellm.proxy import proxy_server
from litellm.proxy._types import UserAPIKeyAuth
from routectl.proxy.litellm_checks import require_access, require_readable

entry = {"model": "openai/x", "api_key": "none"}
proxy_server.llm_router = litellm.Router(model_list=[
    {"model_name": "smart", "litellm_params": entry},
    {"model_name": "guarded", "litellm_params": {**entry, "guardrails": ["mask"]}},
])

def status(call, *arguments):
    try:
        result = call(*arguments)
        if result is not None:
            asyncio.run(result)
    except HTTPException as error:
        return error.status_code
    return 200

per_model = {"smart": {"budget_limit": 1.0, "time_period": "1d"}}
limited = [
    {"model_max_budget": per_model},
    {"end_user_model_max_budget": per_model},
    {"team_model_max_budget": per_model},
    {"user_model_max_budget": per_model},
    {"rpm_limit_per_model": {"smart": 1}},
    {"metadata": {"model_rpm_limit": {"smart": 1}}},
    {"team_metadata": {"model_tpm_limit": {"smart": 1}}},
]
free = UserAPIKeyAuth(api_key="sk-1", max_budget=1.0, rpm_limit=5, metadata={"a": "b"})
assert status(require_access, free, "smart") == 200
assert status(require_access, free, "guarded") == 403
for limits in limited:
    assert status(require_access, UserAPIKeyAuth(api_key="sk-1", **limits), "smart") == 403, limits

turn, call = {"role": "user", "content": "why?"}, {"type": "function_call", "call_id": "c1"}
parts = {"role": "user", "content": [{"type": "input_text", "text": "why?"}]}
readable = [
    {"messages": [turn]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "why?"}]}]},
    {"messages": [turn, {"role": "assistant", "content": None}, {"role": "tool", "content": "4"}]},
    {"input": "why?"},
    {"input": [turn]},
    {"input": [parts, {**call, "name": "f", "arguments": "{}"}]},
    {"input": [parts, {"type": "function_call_output", "call_id": "c1", "output": "4"}]},
    {"input": [{"type": "item_reference", "id": "i1"}, {"type": "reasoning", "summary": []}]},
    {"prompt": "why?"},
    {"prompt": [1, 2, 3]},
    {"prompt": ["why?", "how?"]},
    {},
]
unreadable = [
    {"messages": {}},
    {"messages": {"role": "user"}},
    {"messages": [turn, "x"]},
    {"messages": 7},
    {"input": [7]},
    {"input": [[turn]]},
    {"input": [turn, "x"]},
    {"input": [turn, None]},
    {"input": [{"role": "user", "content": {"text": "why?"}}]},
    {"input": [{"role": "user", "content": [7]}]},
]
for bodies, expected in ((readable, 200), (unreadable, 400)):
    for body in bodies:
        assert status(require_readable, {"model": "smart", **body}) == expected, body
"""


def test_what_litellm_cannot_check_or_read_is_refused_and_all_else_is_not(
    litellm_python: str, tmp_path: Path
) -> None:
    in_litellm(litellm_python, CHECKED, tmp_path)


KEYS = """
from litellm.proxy._types import UserAPIKeyAuth

async def user_api_key_auth(request, api_key):
    team = api_key.removeprefix("sk-")
    if team.startswith("id"):
        return UserAPIKeyAuth(api_key=api_key, team_id=team, key_alias="a key")
    return UserAPIKeyAuth(api_key=api_key, team_id="7", team_alias=team, key_alias="a key")
"""


@pytest.mark.parametrize("field", ["team", "key_alias"])
def test_the_authenticated_key_tells_the_segment_and_the_body_does_not(
    litellm_python: str,
    upstream: LoopbackServer,
    tmp_path: Path,
    routectl: Routectl,
    database: Path,
    field: str,
) -> None:
    always = ("0.0",)
    segments = {"search": always, "id-3": always} if field == "team" else {"a key": always}
    active = route("1.0", segments=segments, segment_field=field)
    write_routes(tmp_path / "routes.json", smart=active)
    (tmp_path / "team_keys.py").write_text(KEYS)
    lie = {
        "team": "search",
        "user": "search",
        "metadata": {"user_api_key_team_alias": "search", "user_api_key_alias": "a key"},
    }
    teams = ("search", "support", "id-3")
    fragment = litellm_fragment({"smart": active})
    auth = {"custom_auth": "team_keys.user_api_key_auth"}
    with litellm_proxy(litellm_python, tmp_path, fragment, upstream, **auth) as proxy:
        answers = {}
        for team in teams:
            messages = [{"role": "user", "content": f"why, {team}?"}]
            body = {"model": "smart", "messages": messages, **lie}
            answers[team] = proxy.post("/v1/chat/completions", body, f"sk-{team}")
        proxy.rows(len(teams))
    assert {status for status, _ in answers.values()} == {200}
    strong = {team for team, (_, answer) in answers.items() if "from large" in answer}
    assert strong == ({"search", "id-3"} if field == "team" else set(teams))
    assert routectl("import", proxy.log).code == 0
    with sqlite3.connect(database) as connection:
        rows = connection.execute(
            "SELECT team, key_alias, proxy_reason, proxy_decision FROM requests"
        )
        logged = {team: others for team, *others in rows}
    connection.close()
    for team in teams:
        decided = ["segment_threshold", "strong"] if team in strong else ["threshold", "weak"]
        assert logged[team] == ["a key", *decided]


LIMITED_KEYS = """
from litellm.proxy._types import UserAPIKeyAuth

MODELS = {
    "sk-other": ["small"],
    "sk-listed": ["router-length-0"],
    "sk-route": ["smart"],
    "sk-both": ["smart", "router-length-0"],
}

async def user_api_key_auth(request, api_key):
    budget = {"small": {"budget_limit": 1.0, "time_period": "1d"}} if api_key == "sk-budget" else {}
    models = MODELS.get(api_key, [])
    return UserAPIKeyAuth(api_key=api_key, models=models, model_max_budget=budget)
"""


def test_a_client_s_threshold_decides_for_keys_that_may_call_the_route(
    litellm_python: str,
    upstream: LoopbackServer,
    tmp_path: Path,
    routectl: Routectl,
    database: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    active = route("1.0")
    write_routes(tmp_path / "routes.json", smart=active)
    (tmp_path / "limited_keys.py").write_text(LIMITED_KEYS)
    monkeypatch.setenv("ROUTECTL_ALLOW_CLIENT_THRESHOLD", "smart")
    auth = {
        "custom_auth": "limited_keys.user_api_key_auth",
        "custom_auth_run_common_checks": True,
    }
    always = {"model": "router-length-0"}
    calls = [asked_by(number, f"number {number}") for number in range(24)]
    completion = ("/v1/completions", {"prompt": "why?"})
    fragment = litellm_fragment({"smart": active})
    with litellm_proxy(litellm_python, tmp_path, fragment, upstream, **auth) as proxy:
        answers = [
            proxy.post(path, {**body, **always}, "sk-all") for path, body in [*calls, completion]
        ]
        plain = proxy.post(*chat("why?"), "sk-all")
        path, body = chat("and why not?")
        by_key = {
            key: proxy.post(path, {**body, **always}, f"sk-{key}")
            for key in ("both", "other", "listed", "route", "budget")
        }
        completed = proxy.post(completion[0], {**completion[1], **always}, "sk-listed")
        bad = [
            proxy.post(path, {**body, "model": f"router-length-{text}"}, "sk-all")
            for text in ("nan", "1e999", "-1", "../..")
        ]
        rows = proxy.rows(len(answers) + 2)

    assert {status for status, _ in answers} == {200}, answers
    assert all("from large" in answer for _, answer in answers), answers
    assert "from small" in plain[1]
    statuses = {key: status for key, (status, _) in by_key.items()}
    refused = dict.fromkeys(("other", "listed", "route", "budget"), 403)
    assert statuses == {"both": 200, **refused}, by_key
    assert completed[0] == 403, completed
    assert "limits by model" in by_key["budget"][1]
    assert [status for status, _ in bad] == [400] * 4, bad
    assert all("plain decimal from 0 to 1" in answer for _, answer in bad)
    assert len(upstream.requests) == len(answers) + 2
    assert {row["model_group"] for row in rows if row["status"] == "success"} == {"smart"}
    done = routectl("import", proxy.log)
    assert done.code == 0, done.err
    with sqlite3.connect(database) as connection:
        reasons = connection.execute(
            "SELECT proxy_reason, proxy_decision, proxy_route, COUNT(*) FROM requests "
            "WHERE status = 'success' GROUP BY 1, 2, 3 ORDER BY 1"
        ).fetchall()
    connection.close()
    assert reasons == [
        ("client_threshold", "strong", "smart", len(answers) + 1),
        ("threshold", "weak", "smart", 1),
    ]
    assert "requests of a route: client threshold" in done.out


def test_a_litellm_that_is_too_old_is_said_as_it_loads_the_plug_in(
    litellm_python: str, tmp_path: Path
) -> None:
    # A distribution that comes first on the path says its version; other packages keep theirs.
    metadata = tmp_path / "litellm-1.98.2.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: litellm\nVersion: 1.98.2\n")
    done = subprocess.run(
        [litellm_python, "-c", "from routectl.proxy.litellm_hook import plugin"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "LiteLLM 1.98.2 has no classifier plug-in: 1.99 has it" in done.stderr.splitlines()[-1]
