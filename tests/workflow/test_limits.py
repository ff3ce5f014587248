"""What the weak model cannot take: declared, counted by the calibration, obeyed by the proxy."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from routectl.proxy import Decider, Running
from tests.conftest import Routectl, payload, write_log

IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
TOOLS = [{"type": "function", "function": {"name": "f"}}]
MODELS = ("--strong", "large", "--weak", "small", "--price", "large=2/8", "--price", "small=0.1/1")


def body(number: int) -> dict[str, Any]:
    """Of ten requests one has an image, one offers a tool, one wants JSON, one is long."""
    content: Any = f"question {number}: " + "why? " * (number * 37 % 101)
    more: dict[str, Any] = {}
    match number % 10:
        case 0:
            content = [{"type": "text", "text": content}, IMAGE]
        case 1:
            more = {"tools": TOOLS}
        case 2:
            more = {"response_format": {"type": "json_object"}}
        case 3:
            content += "\n" + "because " * 3000
    return {"model": "smart", "messages": [{"role": "user", "content": content}], **more}


def row(number: int) -> dict[str, Any]:
    asked = body(number)
    parameters = {k: v for k, v in asked.items() if k not in ("model", "messages")}
    tokens = 8000 if number % 10 == 3 else 100
    return payload(
        number, messages=asked["messages"], model_parameters=parameters, prompt_tokens=tokens
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "litellm.jsonl", [row(number) for number in range(200)])


def calibrated(routectl: Routectl, *target: str) -> dict[str, Any]:
    done = routectl("calibrate", "-r", "length", *target, "--json")
    assert done.code == 0, done.err
    (made,) = json.loads(done.out)
    return dict(made)


@pytest.mark.parametrize(
    ("limit", "unavoidable"),
    [
        ("no-images", {0}),
        ("no-tools", {1}),
        ("no-response-format", {2}),
        ("context:4000", {3}),
        ("context:4000,no-images,no-tools", {0, 1, 3}),
        ("context:900000", set()),
    ],
)
def test_such_requests_are_strong_in_the_calibration_as_in_the_proxy(
    routectl: Routectl, log: Path, tmp_path: Path, limit: str, unavoidable: set[int]
) -> None:
    assert routectl("route", "set", "smart", *MODELS, "--limit", f"small={limit}").code == 0
    assert routectl("import", log).code == 0

    made = calibrated(routectl, "--strong-fraction", "0.5")

    share = len(unavoidable) / 10
    said = [w for w in made["warnings"] if "of the requests are strong at any threshold" in w]
    assert [w.split(" of")[0] for w in said] == ([f"{100 * share:.1f} %"] if share else [])
    assert made["policy"]["version"] == 2
    refused = routectl("export", "--calibration", "c1", "--format", "string").err
    assert "this policy declares what small cannot take" in refused
    routes = tmp_path / "routes.json"
    assert routectl("activate", "--force").code == 0
    assert routectl("export", "--format", "routes", "--output", routes).code == 0
    running = Running(routes)
    decider = Decider(running, 60.0)

    async def decide_all() -> list[Any]:
        return await asyncio.gather(*(decider.decide("smart", body(n)) for n in range(200)))

    decisions = asyncio.run(decide_all())
    running.close()
    strong = [decision.decision == "strong" for decision in decisions]
    assert sum(strong) / 200 == pytest.approx(made["strong_fraction"])
    needs = [decision.reason == "needs_strong" for decision in decisions]
    assert needs == [number % 10 in unavoidable for number in range(200)]


def test_a_share_below_what_cannot_be_avoided_is_said_with_what_remains(
    routectl: Routectl, log: Path
) -> None:
    routectl("route", "set", "smart", *MODELS, "--limit", "small=no-images,no-tools")
    routectl("import", log)

    done = routectl("calibrate", "-r", "length", "--strong-fraction", "0.05", "--json")

    assert done.code == 3
    (made,) = json.loads(done.out)
    assert made["strong_fraction"] == pytest.approx(0.2)


def test_a_bare_config_string_cannot_say_limits_and_a_document_can(
    routectl: Routectl, log: Path
) -> None:
    routectl("route", "set", "smart", *MODELS, "--limit", "small=context:4000,no-images")
    routectl("import", log)
    calibrated(routectl, "--strong-fraction", "0.5")
    routectl("activate", "--force")

    done = routectl("export")
    assert done.code == 1
    assert "declares what small cannot take, which no config string can say" in done.err
    document = json.loads(routectl("export", "--format", "json").out)
    assert document["config_string"] is None
    assert document["limits"] == {"small": "context:4000,no-images"}
    assert (
        "ROUTECTL_LIMITS=small=context:4000,no-images" in routectl("export", "--format", "env").out
    )


def test_limits_are_kept_shown_and_taken_back(routectl: Routectl, database: Path) -> None:
    routectl("route", "set", "smart", *MODELS)
    with sqlite3.connect(database) as connection:
        (before,) = connection.execute("SELECT models FROM routes").fetchone()
    assert "limits" not in before

    done = routectl("route", "set", "smart", "--limit", "small=context:8000,no-images")
    assert "context:8000,no-images" in done.out
    routectl("route", "set", "smart", "--price", "small=0.2/1")
    assert "context:8000,no-images" in routectl("route", "show").out
    assert "with context:8000,no-images" in routectl("history").out
    shown = json.loads(routectl("route", "show", "--json").out)
    assert shown["models"][0]["limits"]["context"] == 8000

    routectl("route", "set", "smart", "--limit", "small=none", "--price", "small=0.1/1")
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT models FROM routes").fetchone() == (before,)
    connection.close()


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("small", "is not of the form MODEL=LIMIT"),
        ("small=", "is not of the form"),
        ("small=no-audio", "is not of the form"),
        ("small=context:-5", "is not of the form"),
        ("small=context:0", "a context is 1 to"),
        ("small=context:" + "9" * 400, "a context is 1 to"),
        ("large=no-images", "the weak model is small"),
        ("other=no-images", "the weak model is small"),
    ],
)
def test_a_limit_that_says_nothing_is_one_sentence(
    routectl: Routectl, database: Path, limit: str, message: str
) -> None:
    done = routectl("route", "set", "smart", *MODELS, "--limit", limit)
    assert (done.code, database.exists()) == (2, False)
    assert message in done.err
    assert routectl("route", "set", "smart", "--limit", "small=no-tools").code == 2
