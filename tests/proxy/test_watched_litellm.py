"""What a real LiteLLM proxy logs of a route that is not decided, or only watched, is so told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from routectl.export import litellm_fragment
from tests.conftest import Routectl, payload, write_log
from tests.loopback_server import LoopbackServer
from tests.proxy.litellm_server import litellm_proxy
from tests.proxy.routes import route, write_routes
from tests.proxy.shapes import Upstream

pytestmark = pytest.mark.slow

COUNT = 24
MODELS = (
    *("--strong", "large", "--weak", "small"),
    *("--price", "large=2/8", "--price", "small=0.25/1"),
)


@pytest.fixture
def upstream() -> Iterator[LoopbackServer]:
    with LoopbackServer(Upstream).started() as server:
        yield server


def asked(number: int) -> tuple[str, dict[str, object]]:
    text = f"{number}: " + "why? " * (200 if number % 2 else 1)
    turns = [{"role": "user", "content": text}]
    return "/v1/chat/completions", {"model": "smart", "messages": turns}


def test_a_proxy_that_was_started_without_its_routes_is_said(
    litellm_python: str,
    upstream: LoopbackServer,
    tmp_path: Path,
    routectl: Routectl,
    database: Path,
) -> None:
    routectl("route", "set", "smart", *MODELS)
    routectl("import", write_log(tmp_path / "before.jsonl", [payload(n) for n in range(60)]))
    routectl("calibrate", "--strong-fraction", "0.3", "--tolerance", "1", "-r", "length")
    assert routectl("activate", "--force").code == 0
    began = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "INSERT INTO activations (route_id, mode, calibration_id, actor, created_at, policy) "
            "SELECT route_id, mode, calibration_id, actor, ?, policy FROM activations",
            [began],
        )
    fragment = litellm_fragment({"smart": route()})
    with litellm_proxy(
        litellm_python, tmp_path, fragment, upstream, with_cache=False, with_routes=False
    ) as proxy:
        answers = [proxy.post(*asked(number)) for number in range(COUNT)]
        proxy.rows(COUNT)
    assert all(status == 200 and "from large" in answer for status, answer in answers)

    assert routectl("import", proxy.log).code == 0
    routectl("score")
    done = routectl("status")
    assert done.code == 3
    assert f"{COUNT} of the {COUNT} requests" in done.out
    assert f"{COUNT} of the {COUNT} requests" in routectl("savings", "--since", "1d").out
    assert routectl("doctor").code == 3


def test_a_shadow_s_log_says_what_the_rule_would_have_done_and_saves_nothing(
    litellm_python: str,
    upstream: LoopbackServer,
    tmp_path: Path,
    routectl: Routectl,
    database: Path,
) -> None:
    routectl("route", "set", "smart", *MODELS)
    active = route("0.5", mode="shadow")
    write_routes(tmp_path / "routes.json", smart=active)
    fragment = litellm_fragment({"smart": active})
    with litellm_proxy(litellm_python, tmp_path, fragment, upstream, with_cache=False) as proxy:
        answers = [proxy.post(*asked(number)) for number in range(COUNT)]
        proxy.rows(COUNT)
    assert all(status == 200 and "from large" in answer for status, answer in answers)

    assert routectl("import", proxy.log).code == 0
    with closing(sqlite3.connect(database)) as connection:
        logged = connection.execute(
            "SELECT length > 100, proxy_decision, proxy_reason, proxy_would_be, "
            "proxy_would_be_reason FROM requests JOIN prompts ON prompts.id = prompt_id"
        ).fetchall()
    assert len(logged) == COUNT
    for is_long, decision, reason, would_be, why in logged:
        assert (decision, reason) == ("strong", "shadow")
        # While the router is being loaded there is no score.
        if why == "threshold":
            assert would_be == ("strong" if is_long else "weak")
    # LiteLLM has no price for these models, so it books nothing, and nothing was saved.
    result = routectl("savings", "--json").json
    assert result["decided"] == COUNT
    assert result["unbooked"] == ["large"]
    assert result["saved"] == 0
