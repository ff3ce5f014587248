"""A proxy takes up what routes.json has become, and keeps what it had where that is no good."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from routectl.errors import InputError
from routectl.export import ActiveRoute, read_routes
from routectl.policy import POLICY_VERSION
from routectl.proxy import Decider, Decision, Running
from tests.proxy.routes import route, write_routes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_routes(tmp_path / "routes.json", smart=route("0.5"))


@pytest.fixture
def running(path: Path) -> Iterator[Running]:
    opened = Running(path)
    yield opened
    opened.close()


def threshold(running: Running) -> str:
    return running.routes["smart"].active.policy.thresholds[0]


def test_what_is_written_is_read_back(path: Path) -> None:
    assert read_routes(path.read_bytes()) == {"smart": route("0.5")}


def test_a_change_is_taken_up_and_the_router_stays_loaded(path: Path, running: Running) -> None:
    scorer = running.routes["smart"].scorers[0]
    write_routes(path, smart=route("0.7"))

    running.check()

    assert threshold(running) == "0.7"
    assert running.routes["smart"].scorers[0] is scorer
    assert (running.changes, running.failures) == (1, 0)


def test_a_swapped_link_is_a_change(tmp_path: Path) -> None:
    for name, text in (("one", "0.5"), ("two", "0.7")):
        (tmp_path / name).mkdir()
        write_routes(tmp_path / name / "routes.json", smart=route(text))
    (tmp_path / "data").symlink_to("one")
    running = Running(tmp_path / "data" / "routes.json")
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(tmp_path / "data")

    running.check()
    running.close()

    assert threshold(running) == "0.7"


def broken(change: dict[str, Any]) -> str:
    document = json.loads(route_text())
    document["routes"]["smart"]["policy"] |= change
    return json.dumps(document)


def route_text() -> str:
    from routectl.export import routes_document

    return routes_document({"smart": route("0.7")})


OTHER_ROUTER = {
    "routers": [
        {
            "spec": {"name": "length", "checkpoint": "length_1", "model_pair": None, "mapping": {}},
            "fingerprint": "0" * 64,
        }
    ]
}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "it is no JSON"),
        ("[" * 100_000, "it is no JSON"),
        ("{}", "it is no document of"),
        ('{"format": "routectl-routes", "version": 1, "routes": {}}', "names no route"),
        ('{"format": "routectl-routes", "version": 9, "routes": {"a": 1}}', "newer routectl"),
        ('{"format": "routectl-routes", "version": 1, "routes": {"a": 1}}', "no JSON object"),
        (broken(OTHER_ROUTER), "another fingerprint"),
        (broken({"extraction_version": 99}), "version 99 of the extraction"),
        (broken({"mode": "canary=2"}), "the mode canary=2 is not"),
        (broken({"version": POLICY_VERSION + 1}), "install a newer routectl"),
        (broken({"activation_id": None}), "never activated"),
        (broken({"thresholds": ["1e9"]}), "no plain decimal"),
    ],
)
def test_what_cannot_be_carried_out_changes_nothing_and_is_said_once(
    path: Path, running: Running, caplog: pytest.LogCaptureFixture, text: str, why: str
) -> None:
    path.write_text(text)

    running.check()
    running.check()

    assert threshold(running) == "0.5"
    assert (running.changes, running.failures) == (0, 1)
    assert [why in record.getMessage() for record in caplog.records] == [True]


def test_a_file_that_is_gone_changes_nothing_until_it_is_back(path: Path, running: Running) -> None:
    path.unlink()
    running.check()
    running.check()
    assert (threshold(running), running.failures) == ("0.5", 1)

    write_routes(path, smart=route("0.7"))
    running.check()

    assert threshold(running) == "0.7"


def test_without_a_good_file_nothing_starts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"routes\.json cannot be carried out: it cannot be read"):
        Running(tmp_path / "routes.json")


def of_another_router(**parts: Any) -> ActiveRoute:
    """A route whose router cannot be loaded here."""
    (right,) = route().policy.routers
    return route(routers=(replace(right, fingerprint="f" * 64),), **parts)


def decided(running: Running, *, first: Callable[[], None] = lambda: None) -> Decision:
    """What a request gets that is there before `first` is called."""

    async def asked() -> Decision:
        waiting = asyncio.create_task(Decider(running, 60).decide("smart", "why?"))
        await asyncio.sleep(0)
        first()
        return await waiting

    return asyncio.run(asked())


@pytest.fixture
def in_background(tmp_path: Path) -> Iterator[Running]:
    opened = Running(tmp_path / "routes.json", in_background=True)
    yield opened
    opened.close()


def test_a_request_waits_for_a_router_that_is_being_loaded(
    in_background: Running, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routectl.proxy.decider.LOADING_SECONDS", 60.0)

    assert decided(in_background, first=in_background.watch).reason == "threshold"
    assert (in_background.changes, in_background.problem) == (0, None)


@pytest.mark.parametrize(("share", "decision"), [(1.0, "strong"), (0.0, "weak")])
def test_a_request_that_waited_long_enough_gets_the_fallback_of_its_policy(
    in_background: Running, monkeypatch: pytest.MonkeyPatch, share: float, decision: str
) -> None:
    monkeypatch.setattr("routectl.proxy.decider.LOADING_SECONDS", 0.0)
    write_routes(in_background.path, smart=of_another_router(share=share))
    in_background.check()

    got = decided(in_background)

    assert (got.decision, got.reason, got.activation) == (decision, "timeout", "a7")


def test_what_could_not_be_loaded_is_tried_again_and_requests_get_the_fallback_until_then(
    in_background: Running, caplog: pytest.LogCaptureFixture
) -> None:
    in_background.watch()
    in_background.tried.result()
    in_background.close()  # the thread would look, too
    with pytest.raises(InputError, match="no such route"):
        decided(in_background)

    write_routes(in_background.path, smart=of_another_router(fallback="weak"))
    in_background.check()
    in_background.check()
    got = decided(in_background)
    assert (got.decision, got.reason) == ("weak", "no_score")
    assert "its router is not loaded" in caplog.records[-1].getMessage()
    said = [record.getMessage() for record in caplog.records]
    assert sum("another fingerprint" in text and "tried again" in text for text in said) == 1

    write_routes(in_background.path, smart=route())
    in_background.check()
    assert decided(in_background).reason == "threshold"
