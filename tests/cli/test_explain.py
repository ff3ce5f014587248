"""Why a request went where it went: what the log says, what ran then, and what runs now."""

from __future__ import annotations

import io
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.test_bad_input import one_sentence
from tests.conftest import MODELS, Result, Routectl, payload, write_log

CALIBRATE = ("calibrate", "--tolerance", "1", "-r", "length", "--strong-fraction")
SECRET = "my secret prompt"


@pytest.fixture
def running(routectl: Routectl, tmp_path: Path) -> None:
    """A route that runs c1, whose threshold sends half of 40 requests to the strong model."""
    records = [payload(n, litellm_call_id=f"call-{n}") for n in range(40)]
    records.append(payload(40, SECRET))
    records.append(payload(41, [{"type": "image_url", "image_url": {"url": "x"}}]))
    records.append(payload(42, "redacted-by-litellm"))
    routectl("route", "set", "smart", *MODELS)
    assert routectl("import", write_log(tmp_path / "log", records)).code == 0
    routectl(*CALIBRATE, "0.5")
    assert routectl("activate", "--force", "--note", "the review").code == 0


def typed(routectl: Routectl, monkeypatch: pytest.MonkeyPatch, text: str, *more: str) -> Result:
    """Explain what is on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    return routectl("explain", "-", *more)


@pytest.mark.usefixtures("running")
def test_a_stored_request_is_decided_by_its_stored_score(
    routectl: Routectl, database: Path
) -> None:
    threshold = float(routectl("show", "c1", "--json").json["threshold"])
    with closing(sqlite3.connect(database)) as connection:
        scores = dict(
            connection.execute(
                "SELECT source_id, win_rate FROM requests JOIN scores USING (prompt_id)"
            ).fetchall()
        )
    sides = set()
    for id, score in scores.items():
        now = routectl("explain", id, "--json").json["now"]
        assert now["decision"]["score"] == score
        assert now["decision"]["decision"] == ("strong" if score >= threshold else "weak")
        assert (now["threshold"], now["scored_now"]) == (str(threshold), False)
        sides.add(now["decision"]["decision"])
        if len(sides) == 2:
            break
    assert sides == {"strong", "weak"}
    text = " ".join(routectl("explain", "chatcmpl-3").out.split())
    assert "a1: router-length-" in text
    assert "of c1, live; since 20" in text
    assert "by tester: the review" in text
    assert f"the threshold {threshold}" in text


@pytest.mark.usefixtures("running")
def test_the_id_of_the_call_names_the_request_too(routectl: Routectl) -> None:
    by_call = routectl("explain", "call-3", "--json").json
    assert by_call["request"]["id"] == "chatcmpl-3"
    assert by_call == routectl("explain", "chatcmpl-3", "--json").json


@pytest.mark.usefixtures("running")
def test_no_prompt_is_printed_unless_it_is_asked_for(
    routectl: Routectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    for more in ((), ("--json",), ("-v",)):
        stored = routectl("explain", "chatcmpl-40", *more)
        given = typed(routectl, monkeypatch, SECRET, *more)
        for result in (stored, given):
            assert result.code == 0
            assert SECRET not in result.out + result.err
    assert SECRET in routectl("explain", "chatcmpl-40", "--show-prompt").out
    assert typed(routectl, monkeypatch, SECRET, "--json", "--show-prompt").json["prompt"] == SECRET


@pytest.mark.usefixtures("running")
def test_a_body_or_a_text_on_standard_input_is_scored_by_the_policys_router(
    routectl: Routectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = routectl("explain", "chatcmpl-40", "--json").json["now"]["decision"]
    body = {"model": "smart", "messages": [{"role": "user", "content": SECRET}]}
    for text in (SECRET, json.dumps(body), json.dumps(body, indent=2)):
        now = typed(routectl, monkeypatch, text, "--json").json["now"]
        assert now["scored_now"] is True
        assert now["decision"]["score"] == pytest.approx(stored["score"])
        assert now["decision"]["decision"] == stored["decision"]


@pytest.mark.usefixtures("running")
def test_a_request_without_text_gets_the_fallback_and_a_redacted_one_cannot_be_said(
    routectl: Routectl,
) -> None:
    assert routectl("explain", "chatcmpl-41", "--json").json["now"]["decision"]["reason"] == (
        "no_text"
    )
    redacted = routectl("explain", "chatcmpl-42")
    assert "cannot be said: the log has no text to score (redacted)" in " ".join(
        redacted.out.split()
    )


@pytest.mark.usefixtures("running")
def test_what_the_proxy_logged_stands_beside_what_ran_then_and_what_runs_now(
    routectl: Routectl, tmp_path: Path
) -> None:
    entry = {
        "route": "smart",
        "decision": "strong",
        "model": "big",
        "reason": "threshold",
        "score": 0.75,
        "activation": "a1",
        "fingerprint": "f" * 64,
    }
    decided = payload(
        50, "a short one", model="big-2026", metadata={"spend_logs_metadata": {"routectl": entry}}
    )
    routectl("import", write_log(tmp_path / "decided", [decided]))
    routectl("activate", "--always-weak", "--note", "outage")
    result = routectl("explain", "chatcmpl-50", "--json").json
    assert result["logged"] | {"answered_by": None} == {
        "decision": "strong",
        "model": "big",
        "reason": "threshold",
        "score": 0.75,
        "fingerprint": "f" * 64,
        "activation": "a1",
        "answered_by": None,
    }
    # Nobody has scored this one, so it is done now, for what ran then.
    assert result["then"]["activation"]["activation_id"] == 1
    assert (result["then"]["decision"]["decision"], result["then"]["scored_now"]) == ("weak", True)
    assert result["now"]["decision"]["reason"] == "always_weak"
    text = " ".join(routectl("explain", "chatcmpl-50").out.split())
    assert "strong (big), by a1, reason threshold, score 0.750000; big-2026 answered" in text
    assert "by tester: outage" in text


@pytest.mark.usefixtures("running")
def test_a_request_that_is_not_there_is_one_sentence_that_names_samples(
    routectl: Routectl, tmp_path: Path
) -> None:
    one_sentence(routectl("explain", "chatcmpl-999"), "no request", "'chatcmpl-999'")
    more = [payload(n) for n in range(100, 160)]
    routectl("import", write_log(tmp_path / "sampled", more), "--sample", "10")
    one_sentence(
        routectl("explain", "chatcmpl-999"), "keep a part of the traffic", "kept 10 of 60", "s2"
    )


def test_the_route_is_told_from_the_population_or_named(routectl: Routectl, tmp_path: Path) -> None:
    routectl("route", "set", "smart", *MODELS, "--where", "model_group=smart")
    routectl("route", "set", "batch", *MODELS, "--where", "model_group=batch")
    records = [payload(n, model_group=("smart", "batch", "other")[n % 3]) for n in range(6)]
    routectl("import", write_log(tmp_path / "log", records))
    assert routectl("explain", "chatcmpl-1", "--json").json["route"] == "batch"
    one_sentence(routectl("explain", "chatcmpl-2"), "no route's population", "--route", code=2)
    nothing = routectl("explain", "chatcmpl-2", "--route", "smart")
    assert nothing.code == 0
    assert "nothing: `routectl activate`" in nothing.out


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(
    ("text", "words"), [("", "standard input is empty"), ("\n \n", "standard input is empty")]
)
def test_nothing_on_standard_input_is_one_sentence(
    routectl: Routectl, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    one_sentence(typed(routectl, monkeypatch, text), words)
