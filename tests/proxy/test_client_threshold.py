"""A threshold of the client's own: only where the operator allows it, and no more than that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from routectl.policy import POLICY_VERSION, Policy
from routectl.records import Limits
from routectl.routers import open_router
from tests.conftest import Routectl
from tests.proxy.in_process import with_app
from tests.proxy.routes import route, write_routes

SHORT, LONG = "why?", "word " * 200
ALLOWED: dict[str, Any] = {"allow_client_threshold": "smart"}
TOOL = {"type": "function", "function": {"name": "f"}}


def answers(
    routes: Path, models: Sequence[str], *, text: str = SHORT, given: Any = ALLOWED, **more: object
) -> list[tuple[int, dict[str, Any]]]:
    """Status and body for a request with each model name."""

    async def ask(client: httpx2.AsyncClient) -> list[tuple[int, dict[str, Any]]]:
        bodies = [
            {"model": model, "messages": [{"role": "user", "content": text}], **more}
            for model in models
        ]
        got = [await client.post("/v1/decide", json=body) for body in bodies]
        return [(answer.status_code, answer.json()) for answer in got]

    return with_app(routes, ask, **given)


def decided(tmp_path: Path, model: str, text: str = SHORT, **parts: Any) -> dict[str, Any]:
    more = parts.pop("more", {})
    path = write_routes(tmp_path / "routes.json", smart=route(**parts))
    ((status, decision),) = answers(path, [model], text=text, **more)
    assert status == 200, decision
    return decision


def test_a_client_s_threshold_decides_in_place_of_the_policy_s(
    tmp_path: Path, routectl: Routectl
) -> None:
    path = write_routes(tmp_path / "routes.json", smart=route("1.0"))
    (score,) = open_router("length").load().strong_win_rates([SHORT]).tolist()
    names = ["smart", "router-length-0", "router-length-1.0", f"router-length-{score:.20f}"]
    log = tmp_path / "decisions.jsonl"

    got = answers(path, names, given={**ALLOWED, "log": log, "log_prompts": True})

    assert [(d["decision"], d["reason"], d["route"]) for _, d in got] == [
        ("weak", "threshold", "smart"),
        ("strong", "client_threshold", "smart"),
        ("weak", "client_threshold", "smart"),
        ("strong", "client_threshold", "smart"),
    ]
    assert {(d["score"], d["activation"]) for _, d in got} == {(score, "a7")}
    done = routectl("import", log)
    assert done.code == 0, done.err
    assert "3 requests of a route: client threshold" in done.out


@pytest.mark.parametrize(
    "name",
    [
        *(
            f"router-length-{text}"
            for text in ("nan", "1e999", "1e-1", "-1", "-0", "1.5", "", "0,5")
        ),
        *(
            f"router-length-{text}"
            for text in ("+0.5", " 0.5", "0.5\n", ".5", "0x1", "\u0660.\u0665")
        ),
        "router-length-0." + "1" * 10_000,
        "router-length-../../x",
        "router-../../x-0.5",
        "router-random-0.5",
        "router-length",
        "router-",
    ],
)
def test_a_threshold_that_is_no_plain_decimal_of_the_route_s_router_is_a_400(
    tmp_path: Path, name: str
) -> None:
    path = write_routes(tmp_path / "routes.json", smart=route())

    ((status, answer),) = answers(path, [name])

    expected = (
        "a model name with a threshold is router-length-T, with T a plain decimal from 0 to 1."
    )
    assert (status, answer["error"]["message"]) == (400, expected)


def test_nobody_has_a_threshold_of_their_own_unless_it_is_allowed(tmp_path: Path) -> None:
    path = write_routes(tmp_path / "routes.json", smart=route())

    ((status, answer),) = answers(path, ["router-length-0.5"], given={})

    assert (status, answer["error"]["message"][:27]) == (404, "there is no such route here")


def test_a_route_keeps_its_name_even_where_it_reads_as_a_threshold(tmp_path: Path) -> None:
    path = write_routes(
        tmp_path / "routes.json", **{"smart": route(), "router-length-0": route("1.0")}
    )

    ((_, decision),) = answers(path, ["router-length-0"])

    assert (decision["route"], decision["reason"]) == ("router-length-0", "threshold")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"mode": "shadow"}, ("strong", "shadow", "weak", "client_threshold")),
        ({"mode": "canary=0.000001"}, ("strong", "canary_out", "weak", "client_threshold")),
        (
            {"limits": {"small": Limits(tools=False)}, "more": {"tools": [TOOL]}},
            ("strong", "needs_strong", "strong", "needs_strong"),
        ),
        ({"text": "", "fallback": "strong"}, ("strong", "no_text", "strong", "no_text")),
        (
            {"segments": {"a": ("0.0",)}, "segment_field": "team"},
            ("weak", "client_threshold", "weak", "client_threshold"),
        ),
        (
            {"rule": "always_strong", "thresholds": ()},
            ("strong", "always_strong", "strong", "always_strong"),
        ),
    ],
    ids=["shadow", "canary", "limits", "fallback", "segments", "unconditional"],
)
def test_all_else_stays_the_policy_s(
    tmp_path: Path, parts: dict[str, Any], expected: tuple[str, ...]
) -> None:
    got = decided(tmp_path, "router-length-1.0", **parts)

    keys = ("decision", "reason", "would_be", "would_be_reason")
    assert tuple(got[key] for key in keys) == expected


def test_a_segment_s_threshold_gives_way_to_the_client_s(tmp_path: Path) -> None:
    active = route("1.0", segments={"search": ("1.0",)}, segment_field="team")

    policy = active.policy.with_threshold_of("router-length-0.25")

    assert (policy.thresholds, policy.segments) == (("0.25",), {})
    assert Policy.from_json(policy.to_json()) == policy
    assert policy.to_json()["version"] <= POLICY_VERSION


def test_a_route_of_three_models_takes_none(tmp_path: Path) -> None:
    active = route(models=("a", "b", "c"), thresholds=("0.3", "0.6"))
    path = write_routes(tmp_path / "routes.json", smart=active)

    ((status, answer),) = answers(path, ["router-length-0.5"])

    assert status == 400
    assert answer["error"]["message"] == "a client's threshold takes a route between two models."


def test_it_is_counted_by_its_reason(tmp_path: Path) -> None:
    path = write_routes(tmp_path / "routes.json", smart=route())

    async def ask(client: httpx2.AsyncClient) -> str:
        await client.post("/v1/decide", json={"model": "router-length-0", "input": "why?"})
        return str((await client.get("/metrics")).text)

    labels = 'decision="strong",reason="client_threshold",route="smart"'
    assert f"routectl_requests_total{{{labels}}} 1.0" in with_app(path, ask, **ALLOWED)


def test_the_route_that_takes_them_must_be_there(tmp_path: Path, routectl: Routectl) -> None:
    path = write_routes(tmp_path / "routes.json", smart=route())

    done = routectl("serve", "--routes", path, "--port", "0", "--allow-client-threshold", "other")

    assert done.code == 1
    assert "--allow-client-threshold names the route 'other', and the routes are smart" in done.err
