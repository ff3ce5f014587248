"""A router whose embedder is remote: trained, used, interrupted by an outage, and changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from routectl.embedding import endpoint
from routectl.embedding.names import HOST
from routectl.endpoint import OPENAI_KEY, Patience
from routectl.training import TrainingRequest, train_mf
from tests.conftest import Routectl
from tests.embedding.endpoint_server import Server, embedding
from tests.loopback_server import answered, status


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, running: Server) -> None:
    for name in (endpoint.KEY, OPENAI_KEY):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(HOST, f"other.example,{running.host}")
    monkeypatch.setattr(
        endpoint, "PATIENCE", Patience(request=5, first_delay=0.01, attempts=3, total=5)
    )


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with Server().started() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    """The server, as well behaved as it was at first."""
    running.faults, running.always = [], None
    running.embedding = embedding
    running.requests.clear()
    return running


@pytest.fixture(scope="module")
def checkpoint(running: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("remote")
    rows = []
    for number in range(80):
        text = ("aaabbb" if number % 2 else "xyz") * (1 + number % 5) + str(number)
        rows.append({"prompt": text, "scores": {"strong": 1, "weak": int(number % 2)}})
    gold = folder / "gold.jsonl"
    gold.write_text("".join(json.dumps(row) + "\n" for row in rows))
    train_mf(
        TrainingRequest(gold=[gold], output=folder / "checkpoint"),
        embedder=running.name,
    )
    return folder / "checkpoint"


def scores(database: Path) -> dict[int, float]:
    with sqlite3.connect(database) as connection:
        return dict(connection.execute("SELECT prompt_id, win_rate FROM scores"))


def test_an_outage_keeps_what_was_scored_and_the_next_run_goes_on_from_there(
    server: Server, checkpoint: Path, routectl: Routectl, database: Path, log: Path
) -> None:
    assert routectl("import", log).code == 0
    # The probe, the first step's texts, and then nothing more.
    server.faults = [answered, answered]
    server.always = status(503)
    broken = routectl("score", "-r", f"mf={checkpoint}")
    assert broken.code == 1
    assert "HTTP 503 (3 attempts); what was done is kept, run it again later." in broken.err
    assert broken.err.count("sends the prompts' texts to 127.0.0.1") == 1
    assert "Traceback" not in broken.err
    first = scores(database)
    assert 0 < len(first) < 200
    server.always = None
    server.requests.clear()
    done = routectl("score", "-r", f"mf={checkpoint}", "--json")
    assert done.code == 0, done.err
    assert done.json[0]["scored"] == 200 - len(first)
    both = scores(database)
    assert len(both) == 200
    assert first.items() <= both.items()
    again = routectl("score", "-r", f"mf={checkpoint}")
    assert "sends" not in again.err


@pytest.mark.parametrize("named", [None, "", "other.example", "127.0.0.1", "evil-{host}"])
def test_a_checkpoint_sends_nothing_to_a_host_that_the_user_has_not_named(
    server: Server,
    checkpoint: Path,
    routectl: Routectl,
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: str | None,
) -> None:
    assert routectl("import", log).code == 0
    if named is None:
        monkeypatch.delenv(HOST)
    else:
        monkeypatch.setenv(HOST, named.format(host=server.host))
    for command in (
        ("score", "-r", f"mf={checkpoint}"),
        ("calibrate", "-r", f"mf={checkpoint}", "--strong-fraction", "0.3"),
    ):
        refused = routectl(*command)
        assert refused.code == 2
        assert f"set {HOST}={server.host}" in refused.err
    assert server.requests == []


def test_where_prompts_go_is_said_even_when_only_the_result_is_wanted(
    server: Server, checkpoint: Path, routectl: Routectl, log: Path
) -> None:
    assert routectl("import", log).code == 0
    done = routectl("score", "-r", f"mf={checkpoint}", "--quiet")
    assert done.code == 0
    assert f"Warning: mf sends the prompts' texts to {server.host}.\n" in done.err


def test_a_model_that_changed_behind_its_name_is_refused(
    server: Server, checkpoint: Path, routectl: Routectl, database: Path, log: Path
) -> None:
    assert routectl("import", log).code == 0
    server.embedding = lambda text: list(np.array(embedding(text)) + np.arange(24) / 100)
    moved = routectl("score", "-r", f"mf={checkpoint}")
    assert moved.code == 1
    assert "is not the one that" in moved.err
    assert "its vectors moved by" in moved.err
    server.embedding = lambda text: [*embedding(text), 1.0]
    wider = routectl("score", "-r", f"mf={checkpoint}")
    assert "expects prompt vectors of 24 numbers" in wider.err
    assert scores(database) == {}


def test_a_teacher_or_a_member_that_sends_prompts_away_is_said_before_it_does(
    server: Server, checkpoint: Path, routectl: Routectl, tmp_path: Path
) -> None:
    said = f"sends the prompts of the training data to 127.0.0.1:{server.server_address[1]}"
    unread = ("--gold", tmp_path / "none", "--output", tmp_path / "new")
    for command in (
        ("train", "bert", "--teacher", f"mf={checkpoint}"),
        ("train", "ensemble", "--member", f"mf={checkpoint}", "length"),
    ):
        done = routectl(*command, *unread)
        assert done.code == 1
        assert said in " ".join(done.err.split())
    assert server.requests == []


def test_no_key_and_no_prompt_reaches_checkpoint_or_output(
    server: Server, checkpoint: Path, routectl: Routectl, tmp_path: Path
) -> None:
    config = json.loads((checkpoint / "config.json").read_bytes())
    assert config["embedder"]["name"] == server.name
    assert config["embedder"]["noise"] >= 1e-5
    shown = routectl("routers", "show", f"mf={checkpoint}")
    assert f"127.0.0.1:{server.server_address[1]}" in shown.out
    assert "8000 characters" in shown.out
    assert server.requests == []
    unread = ("train", "mf", "--gold", tmp_path / "none", "--output", tmp_path / "new")
    noted = routectl(*unread, "--embedder", server.name)
    assert f"are sent to 127.0.0.1:{server.server_address[1]}" in noted.err
    refused = routectl(*unread, "--embedder", "openai:http://user:sk-own@host/v1#m")
    assert refused.code == 2
    assert "sk-own" not in refused.err
