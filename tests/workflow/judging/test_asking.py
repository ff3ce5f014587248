"""`battles judge` against a real server: verdicts, faults, and what is said beforehand."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from routectl.endpoint import OPENAI_KEY
from routectl.judging.verdicts import JUDGE_PROMPT
from routectl.preferences.battles import read_battles
from routectl.records import Battle
from routectl.workflow.judging import setup, work_path
from tests.chat_server import JUDGE, PRICES, STRONG, WEAK, Handler, Server, changed, hang_up, stall
from tests.conftest import Routectl, payload, write_log
from tests.loopback_server import Fault, Request, body, status
from tests.workflow.conftest import QUICK
from tests.workflow.judging.conftest import PROMPTS, Judge, rows


def test_verdicts_in_both_orders_become_battles_that_training_reads(
    judge: Judge, server: Server, output: Path
) -> None:
    done = judge("--json")
    assert done.code == 0, done.err
    expected = {
        text: "model_b" if "weak" in text else "tie" if "tie" in text else "model_a"
        for text in PROMPTS
    }
    assert sorted(read_battles(output), key=str) == sorted(
        (Battle(text, STRONG, WEAK, winner) for text, winner in expected.items()), key=str
    )
    row = rows(output)[0]
    assert row["judge"] == JUDGE
    assert row["judge_prompt"] == JUDGE_PROMPT
    assert row["verdicts"] == [row["winner"]] * 2
    assert [server.asked(model) for model in PRICES] == [6, 6, 12]
    # Each answer was shown once in either place.
    shown = [
        request["messages"][0]["content"]
        for request in server.requests
        if "critic" in request["model"]
    ]
    assert sum(text.index("big model") < text.index("small model") for text in shown) == 6
    assert {request["temperature"] for request in server.requests} == {0}
    assert {request["seed"] for request in server.requests} == {0}
    tally = done.json["tally"]
    assert [tally[side] for side in ("strong_won", "weak_won", "ties")] == [2, 2, 2]
    assert tally["disagreed"] == 0
    assert done.json["complete"] is True
    assert done.json["cost"] == pytest.approx(float(server.charged))
    assert not work_path(output).exists()
    assert output.stat().st_mode & 0o777 == 0o600


def test_judged_battles_are_imported_and_trained_on(
    judge: Judge, routectl: Routectl, output: Path, tmp_path: Path
) -> None:
    assert judge().code == 0
    imported = routectl("battles", "import", output, "--json")
    assert (imported.code, imported.json["added"], imported.json["rejected"]) == (0, 6, 0)
    listed = routectl("battles", "list", "--json").json["pairs"][0]
    assert [listed[key] for key in ("model_a", "model_b", "model_a_won", "ties")] == [
        STRONG,
        WEAK,
        2,
        2,
    ]
    trained = routectl("train", "length", "--battles", output, "--output", tmp_path / "length")
    assert trained.code == 0, trained.err


def test_a_judge_that_favours_a_place_makes_ties_alone(
    judge: Judge, server: Server, output: Path
) -> None:
    server.verdict = lambda prompt, first, second: "The first one.\nVERDICT: FIRST"
    done = judge("--json")
    assert done.code == 0, done.err
    assert {row["winner"] for row in rows(output)} == {"tie"}
    assert all(row["verdicts"] == ["model_a", "model_b"] for row in rows(output))
    tally = done.json["tally"]
    assert (tally["disagreed"], tally["first_place"], tally["second_place"]) == (6, 12, 0)
    output.unlink()
    assert "6 because the orders differ" in judge().out


def test_a_judge_without_a_verdict_is_asked_once_more_and_then_not_guessed(
    judge: Judge, server: Server, output: Path
) -> None:
    server.verdict = lambda prompt, first, second: "I like the first one better, FIRST I say."
    done = judge()
    assert done.code == 1
    assert "of 6 the judge gave no verdict" in done.err
    assert server.asked(JUDGE) == 12
    again = server.requests[-1]["messages"]
    assert [message["role"] for message in again] == ["user", "assistant", "user"]
    assert not output.exists()
    # It was asked and paid, so the same run asks nobody anything.
    server.requests.clear()
    assert judge().code == 1
    assert server.requests == []


def test_what_a_judge_says_when_asked_again_counts(
    judge: Judge, server: Server, output: Path
) -> None:
    said: set[str] = set()

    def late(prompt: str, first: str, second: str) -> str:
        known = prompt + first in said
        said.add(prompt + first)
        return f"VERDICT: {'SECOND' if STRONG in second else 'FIRST'}" if known else "Hm"

    server.verdict = late
    assert judge().code == 0
    assert [row["winner"] for row in rows(output)] == ["model_a"] * 6
    assert server.asked(JUDGE) == 24


def test_one_prompt_without_a_verdict_is_left_out_and_counted(
    judge: Judge, server: Server, output: Path
) -> None:
    fair = server.verdict
    server.verdict = lambda *shown: "who knows" if shown[0] == PROMPTS[0] else fair(*shown)
    done = judge()
    assert done.code == 0
    assert "5 of 6" in " ".join(done.out.split())
    assert "1 for no verdict in two askings" in done.out
    assert PROMPTS[0] not in {row["prompt"] for row in rows(output)}


def test_equal_answers_are_a_tie_and_no_answer_is_none(
    judge: Judge, server: Server, output: Path
) -> None:
    def same(model: str, prompt: str) -> str:
        return "" if prompt == PROMPTS[0] and model == WEAK else " 42 " if model == WEAK else "42"

    server.answer = same
    done = judge("--json")
    assert (done.code, server.asked(JUDGE)) == (0, 0)
    assert {(row["winner"], *row["verdicts"]) for row in rows(output)} == {("tie",)}
    assert (done.json["tally"]["equal_answers"], done.json["tally"]["no_answer"]) == (5, 1)


@pytest.mark.parametrize(
    "faults",
    [
        [status(429, Retry_After="0")] * 3,
        [status(500), status(503), status(502)],
        [stall],
        [hang_up, status(429)],
    ],
    ids=["429", "5xx", "stall", "hang up"],
)
def test_what_passes_is_tried_again(
    judge: Judge,
    server: Server,
    output: Path,
    faults: list[Fault],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if stall in faults:
        monkeypatch.setattr(setup, "PATIENCE", replace(QUICK, request=2.0))
    server.faults = list(faults)
    done = judge("--json")
    assert done.code == 0, done.err
    assert len(rows(output)) == 6
    assert len(server.requests) == 24 + len(faults)
    # What was computed and never arrived counts, with its worst case.
    assert Decimal(str(done.json["cost"])) >= server.charged.quantize(Decimal("1e-9"))


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (status(401), "wants a key .*set ROUTECTL_"),
        (status(404), "has no model 'big' or no /chat/completions"),
        (status(302, Location="http://127.0.0.1:9/v1"), "redirects .*not followed"),
        (status(400), r"refuses the request \(HTTP 400\); look at --max-tokens"),
        (status(429), r"limits the rate \(HTTP 429, 4 attempts\); what was done is kept"),
        (status(500), r"answers with HTTP 500 \(4 attempts\)"),
        (stall, r"says nothing for 0.4 s \(4 attempts\)"),
        (hang_up, "breaks off its answer"),
        (body(b"<html>SECRET"), "no JSON"),
        (body(b"[" * 100_000), "no JSON"),
        (body(b"[]"), "no choice that holds a message"),
        (body(b'{"error": {"message": "SECRET"}}'), "no choice that holds a message"),
        (changed(choices=[]), "no choice that holds a message"),
        (changed(choices=[{"message": {"content": 7}}]), "no choice that holds a message"),
        (changed(choices=[{"text": "old"}]), "no choice that holds a message"),
        (changed(choices=[{"message": {"content": None}}]), "of 6 a model's answer was empty"),
    ],
)
def test_what_does_not_pass_is_one_sentence_without_a_prompt_or_a_key(
    judge: Judge,
    server: Server,
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    sentence: str,
) -> None:
    if "wants" not in sentence:
        monkeypatch.setenv(setup.JUDGE_KEY, "sk-own")
    if fault is stall:
        monkeypatch.setattr(setup, "PATIENCE", replace(QUICK, request=0.4))
    server.always = fault
    failed = judge("--verbose", "--concurrency", "1")
    assert failed.code == 1
    last = failed.err.strip().splitlines()[-1]
    assert re.search(sentence, last), last
    for secret in ("SECRET", "sk-own", "question", "Traceback"):
        assert secret not in failed.err + failed.out
    assert not output.exists()
    # The outage is over: what was done is kept, and the rest is done.
    server.always = None
    monkeypatch.setattr(setup, "PATIENCE", QUICK)
    if "empty" not in sentence:
        assert judge().code == 0
        assert len(rows(output)) == 6


def test_a_request_that_is_refused_costs_its_prompt_alone(
    judge: Judge, server: Server, output: Path
) -> None:
    def filtered(handler: Handler, request: Request) -> bool:
        if PROMPTS[3] not in request["messages"][-1]["content"]:
            return False
        return status(400, b'{"error": {"code": "content_filter"}}')(handler, request)

    server.always = filtered
    done = judge("--concurrency", "1")
    assert done.code == 0, done.err
    assert "1 for a refused request" in done.out
    assert len(rows(output)) == 5


def test_of_an_answer_in_parts_the_texts_count(judge: Judge, server: Server, output: Path) -> None:
    def parts(handler: Handler, request: Request) -> bool:
        whole = json.loads(handler.completion(request))
        message = whole["choices"][0]["message"]
        thought = {"type": "thinking", "thinking": "VERDICT: TIE"}
        message["content"] = [thought, {"type": "text", "text": message["content"]}]
        return body(json.dumps(whole).encode())(handler, request)

    server.always = parts
    assert judge().code == 0
    assert len({row["winner"] for row in rows(output)}) == 3


def test_a_model_that_takes_no_temperature_is_asked_without_it(
    judge: Judge, server: Server, output: Path
) -> None:
    def reasoning(handler: Handler, request: Request) -> bool:
        if request["model"] != JUDGE:
            return False
        for name, wanted in (("max_tokens", "Use 'max_completion_tokens'"), ("temperature", "")):
            if name in request:
                words = f"Unsupported: '{name}'. {wanted}"
                return status(400, json.dumps({"error": words}).encode())(handler, request)
        return False

    server.always = reasoning
    done = judge("--concurrency", "1")
    assert done.code == 0, done.err
    assert "critic takes no temperature" in done.err
    assert len(rows(output)) == 6
    assert server.asked(JUDGE) == 12 + 2
    assert {
        request.get("temperature") for request in server.requests if request["model"] == WEAK
    } == {0}


def test_without_yes_nothing_is_sent_and_all_is_said(
    judge: Judge, server: Server, output: Path
) -> None:
    asked = judge("--max-cost", "5", yes=False)
    assert asked.code == 2
    assert "nothing was sent: add --yes" in asked.err
    assert server.requests == []
    assert f"6, which leave this machine for {server.host}" in asked.err
    assert "24: 12 answers of big and small, 12 verdicts of critic in both orders" in asked.err
    assert "big 10 in, 30 out (USD per million tokens, --price)" in asked.err
    assert "Limit: 5.00 USD in all" in asked.err
    assert "question" not in asked.err
    assert list(output.parent.glob("judged*")) == []


def test_a_key_goes_to_its_own_host_and_an_openai_key_to_this_machine(
    judge: Judge, server: Server, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setup.JUDGE_KEY, "sk-judge")
    with Server().started() as other:
        assert judge("--judge-endpoint", other.url).code == 0
        assert {headers["Authorization"] for headers in other.headers} == {"Bearer sk-judge"}
        assert not any("Authorization" in headers for headers in server.headers)
        assert (other.asked(JUDGE), server.asked(JUDGE)) == (12, 0)
    output.unlink()
    server.headers.clear()
    assert judge().code == 0
    assert {headers["Authorization"] for headers in server.headers} == {"Bearer sk-judge"}
    output.unlink()
    monkeypatch.delenv(setup.JUDGE_KEY)
    monkeypatch.setenv(OPENAI_KEY, "sk-openai")
    assert judge().code == 0
    assert server.headers[-1]["Authorization"] == "Bearer sk-openai"


def test_a_few_calls_are_under_way_at_once(judge: Judge, server: Server) -> None:
    server.hold(lambda number: server.most_running == 3)
    assert judge("--concurrency", "3").code == 0
    assert server.most_running == 3


def test_prompts_of_the_traffic_are_judged_each_once(
    judge: Judge, routectl: Routectl, server: Server, output: Path, tmp_path: Path
) -> None:
    log = [
        payload(n, f"ask {n % 20}", model_group="smart" if n % 20 < 10 else "x") for n in range(60)
    ]
    assert routectl("import", write_log(tmp_path / "log.jsonl", log)).code == 0
    chosen = ("--from-traffic", "--where", "model_group=smart")
    few = judge(*chosen, "--sample", "4", files=())
    assert few.code == 0, few.err
    first = {row["prompt"] for row in rows(output)}
    output.unlink()
    assert judge(*chosen, files=()).code == 0
    every = {row["prompt"] for row in rows(output)}
    assert len(first) == 4
    assert first < every == {f"ask {n}" for n in range(10)}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--weak-model", STRONG], "cannot be judged against itself"),
        (["--judge", "nameless"], "no price is known for nameless: .*--price nameless=IN/OUT"),
        (["--price", "big=1"], "not of the form MODEL=IN/OUT"),
        (["--price", "big=1/2"], "names big twice"),
        (["--max-cost", "nan"], "must be an amount of US dollars"),
        (["--endpoint", "http://me:sk-own@host/v1"], "holds a user, a password"),
        (["--endpoint", "https://host/v1?key=sk-own"], "holds a user, a password or settings"),
        (["--endpoint", "me:sk-own@host"], "holds a user, a password or settings"),
        (["--endpoint", "http://example..com/v1"], "one of the addresses is none"),
        (["--endpoint", "http://a b/v1"], "one of the addresses is none"),
        (["--endpoint", "host/v1"], "an endpoint is named"),
        (["--from-traffic"], "one of the two"),
        (["--since", "7d"], "add --from-traffic"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    judge: Judge, server: Server, more: list[str], sentence: str
) -> None:
    refused = judge(*more)
    assert refused.code == 2
    assert re.search(sentence, refused.err), refused.err
    assert "sk-own" not in refused.err
    assert server.requests == []


def test_what_to_think_of_is_said_before_yes(judge: Judge, server: Server) -> None:
    asked = judge("--judge", STRONG, "--judge-endpoint", "http://models.example:8080/v1", yes=False)
    assert asked.code == 2
    assert "big judges its own answers" in asked.err
    assert "go to models.example:8080 unencrypted" in asked.err
    assert f"go to {server.host} unencrypted" not in asked.err


def test_an_output_that_is_there_is_not_replaced(
    judge: Judge, output: Path, server: Server
) -> None:
    output.write_text("mine")
    assert judge().code == 2
    assert output.read_text() == "mine"
    assert server.requests == []
