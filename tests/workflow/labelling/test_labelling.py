"""`label` against a real server: answers, faults, kills and money."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from routectl.preferences.battles import read_battles
from routectl.store.engine import Location
from routectl.store.evaluations import evaluation, evaluations, rows_of
from routectl.store.opening import open_store
from tests.chat_server import PAIR_AND_PRICES, PRICES, STRONG, WEAK, Handler, Server
from tests.conftest import Result, Routectl, payload, write_log
from tests.loopback_server import Request, status

pytestmark = pytest.mark.usefixtures("quick_models")

PROMPTS, SAMPLE = 60, 30

Label = Callable[..., Result]


def prompt(number: int) -> str:
    """The longer, the higher `length` scores it; the strong model wins on the longest third."""
    return f"question {number} {'tie ' if number < 40 else 'why '}" + "and " * number


@pytest.fixture
def traffic(routectl: Routectl, tmp_path: Path) -> None:
    """Prompts 0 to 59, each once and every third thrice."""
    numbers = [n for n in range(PROMPTS) for _ in range(3 if n % 3 == 0 else 1)]
    log = [payload(at, prompt(n)) for at, n in enumerate(numbers)]
    assert routectl("import", write_log(tmp_path / "log.jsonl", log)).code == 0


def arguments(server: Server, sample: int = SAMPLE, router: str = "length") -> list[str]:
    given = ["--endpoint", server.url, "--sample", str(sample), "-r", router]
    return [*PAIR_AND_PRICES, *given]


@pytest.fixture
def label(routectl: Routectl, server: Server, traffic: None) -> Label:
    """Run `label` on the traffic."""

    def call(*more: object, yes: bool = True, **given: object) -> Result:
        return routectl("label", *arguments(server, **given), *more, *(["--yes"] if yes else []))

    return call


def test_the_first_line_says_yes_of_a_router_that_knows_who_wins(
    label: Label, server: Server
) -> None:
    done = label(sample=PROMPTS)
    assert done.code == 0, done.err
    first = done.out.splitlines()[0]
    assert re.fullmatch(
        r"yes: length is better than random on this traffic "
        r"\(APGR 0\.\d{3}, 0\.\d{3} to 0\.\d{3}; random has 0\.5\)\.",
        first,
    ), first
    # 14 prompts that were sent once and 6 that were sent thrice, of 100 requests.
    assert re.search(r"strong won +32\.0 % of the requests", done.out)
    assert "60 with a verdict of 60 drawn" in done.out
    assert [server.asked(model) for model in PRICES] == [PROMPTS, PROMPTS, 2 * PROMPTS]


def test_a_calibration_says_what_the_labelling_measured(label: Label, routectl: Routectl) -> None:
    prices = ("--price", "big=2.5/10", "--price", "small=0.15/0.6")
    routectl("route", "set", "smart", "--strong", STRONG, "--weak", WEAK, *prices)
    apgr = label("--json", sample=PROMPTS).json["routers"][0]["figures"]["APGR"]
    calibrate = ("calibrate", "--strong-fraction", "0.3", "--tolerance", "1", "-r", "length")
    shown = " ".join(routectl(*calibrate).out.split())
    low, high = ("any" if apgr[end] is None else f"{apgr[end]:.3f}" for end in ("low", "high"))
    figure = f"APGR {apgr['value']:.3f} ({low} to {high}) of {STRONG} / {WEAK}, evaluation e1"
    assert f"quality {figure} on your traffic" in shown
    assert "saving no monthly figure: the log spans less than a day" in shown


def test_what_is_stored_can_be_computed_again(label: Label, database: Path) -> None:
    done = label("--json", "--note", "before Q4", "-r", "random")
    assert done.code == 0, done.err
    with open_store(Location.parse(str(database))) as store, store.read() as connection:
        listed = evaluations(connection, benchmark=None, router=None, limit=10)
        assert [row["router"] for row in listed] == ["random", "length"]
        assert {row["data_digest"] for row in listed} == {listed[0]["data_digest"]}
        stored = evaluation(connection, done.json["routers"][0]["evaluation"])
        rows = rows_of(stored)
    assert (stored.kind, stored.benchmark, stored.note) == ("traffic", "traffic", "before Q4")
    assert (stored.strong_model, stored.weak_model, stored.rows) == (STRONG, WEAK, SAMPLE)
    assert stored.figures == done.json["routers"][0]["figures"]
    assert rows.weights is not None
    assert rows.strata is not None
    # Every request of the traffic is stood for, as many in each of the three strata.
    assert rows.weights.sum() == pytest.approx(100)
    assert np.bincount(rows.strata, weights=rows.weights) == pytest.approx([33.3] * 3, abs=4)
    assert set(rows.strong_quality + rows.weak_quality) == {1.0}
    mean = float(rows.weights @ rows.strong_quality / 100)
    assert stored.strong_quality == pytest.approx(mean)
    assert done.json["shares"]["strong_won"] == pytest.approx(2 * mean - 1)
    assert rows.strong_cost.sum() == pytest.approx(done.json["judging"]["cost_by_model"][STRONG])


def test_two_routers_are_judged_by_the_same_labels(label: Label, server: Server) -> None:
    done = label("-r", "random", sample=PROMPTS)
    assert done.code == 0, done.err
    first, second = done.out.splitlines()[:2]
    assert first.startswith("yes: length")
    assert second.startswith("can't tell whether random")
    assert server.asked(STRONG) == PROMPTS


def test_where_it_cannot_be_told_the_prompts_that_it_takes_are_said(label: Label) -> None:
    done = label(router="random")
    assert done.code == 0, done.err
    first = done.out.splitlines()[0]
    assert re.match(r"can't tell whether random is better than random on this traffic", first)
    assert re.search(
        r"; --sample \d+ would tell, roughly\.$|; the 60 prompts of this population are too few",
        first,
    ), first
    assert "rough: 30 prompts are few" in done.out


def test_models_that_do_not_differ_are_said_instead_of_divided_by(
    label: Label, server: Server
) -> None:
    server.verdict = lambda prompt, first, second: "VERDICT: FIRST"
    done = label()
    assert done.code == 0, done.err
    assert done.out.startswith(
        "can't tell: on this traffic big is not shown to be better than small (big won 0.0 points "
        "more than small: 0.0 to 0.0), so there is no gap for length to recover."
    )
    assert "30 of 30 tied prompts because the orders differ" in done.out


def test_a_weak_model_that_is_the_better_one_is_a_no(label: Label, server: Server) -> None:
    server.verdict = lambda prompt, first, second: (
        f"VERDICT: {'FIRST' if WEAK in first else 'SECOND'}"
    )
    done = label("--json")
    assert done.json["answer"] == "no"
    assert done.json["routers"][0]["gap_is"] == "reversed"
    assert label().out.startswith("no: on this traffic small is the better model")


def test_prompts_without_a_verdict_are_left_out_and_the_others_stand_for_them(
    label: Label, server: Server, database: Path
) -> None:
    fair = server.verdict

    def prose(shown: str, first: str, second: str) -> str:
        return "I like both." if int(shown.split()[1]) % 5 == 0 else fair(shown, first, second)

    server.verdict = prose
    done = label("--json", sample=PROMPTS)
    assert done.code == 0, done.err
    assert done.json["judging"]["tally"]["unparsable"] == 12
    with open_store(Location.parse(str(database))) as store, store.read() as connection:
        stored = evaluation(connection, done.json["routers"][0]["evaluation"])
        rows = rows_of(stored)
    assert stored.rows == 48
    assert rows.weights.sum() == pytest.approx(100)
    assert "12 for no verdict in two askings" in label(sample=PROMPTS).out


def test_a_judge_that_answers_prose_alone_is_one_sentence(label: Label, server: Server) -> None:
    server.verdict = lambda prompt, first, second: "It depends."
    failed = label()
    assert failed.code == 1
    assert "of 30 the judge gave no verdict" in failed.err
    # One verdict is not enough, either.
    only: list[str] = []

    def once(shown: str, first: str, second: str) -> str:
        if not only:
            only.append(shown)
        return "VERDICT: TIE" if shown == only[0] else "It depends."

    server.verdict = once
    failed = label("--seed", "1")
    assert failed.code == 1
    assert "only 1 of 30 prompts has a verdict" in failed.err


def test_a_budget_that_does_not_last_exits_with_3_and_a_larger_one_goes_on(
    label: Label, server: Server, database: Path, tmp_path: Path
) -> None:
    output = tmp_path / "battles.jsonl"
    short = label("--max-cost", "0.2", "--max-tokens", "60", "--output", output)
    assert short.code == 3, short.err
    assert short.out.startswith("can't tell: --max-cost lasted for the verdicts of ")
    assert "run it again with a larger one to go on" in short.err
    assert server.charged <= Decimal("0.2")
    assert not output.exists()
    with open_store(Location.parse(str(database))) as store, store.read() as connection:
        assert evaluations(connection, benchmark=None, router=None, limit=10) == []
    done = label("--max-cost", "9", "--max-tokens", "60", "--output", output, "--json")
    assert done.code == 0, done.err
    assert set(server.answered.values()) == {1}
    assert done.json["judging"]["cost"] == pytest.approx(float(server.charged))
    battles = list(read_battles(output))
    assert len(battles) == SAMPLE
    assert {(b.model_a, b.model_b) for b in battles} == {(STRONG, WEAK)}
    assert label("--output", output).code == 2


def test_a_larger_sample_and_another_population_pay_for_what_is_new(
    label: Label, server: Server
) -> None:
    assert label("--max-cost", "9").code == 0
    asked, charged = server.asked(STRONG), server.charged
    again = label("--max-cost", "0", "--json")
    assert (again.code, again.json["judging"]["cost"], server.asked(STRONG)) == (0, 0, asked)
    # The first labelling is settled: the limit is this one's.
    more = label("--max-cost", "9", "--json", "-r", "random", sample=39)
    assert more.code == 0, more.err
    assert server.asked(STRONG) == 39
    assert more.json["judging"]["cost"] == pytest.approx(float(server.charged - charged))
    assert "Spent:" not in label("--max-cost", "9", sample=39).err


def test_a_killed_run_goes_on_and_answers_as_an_undisturbed_one(
    label: Label, server: Server, database: Path, tmp_path: Path
) -> None:
    server.hold(lambda number: number < 40)
    command = [sys.executable, "-m", "routectl", "label", *arguments(server), "--yes"]
    with subprocess.Popen(
        command, env={**os.environ}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        server.wait_for_requests(40, process)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    server.let_go()
    [kept] = database.parent.glob("routectl.db.label-*.jsonl")
    assert kept.stat().st_mode & 0o777 == 0o600
    done = label("--json")
    assert done.code == 0, done.err
    twice = sum(times - 1 for times in server.answered.values())
    assert twice <= done.json["judging"]["lost"] <= 4
    kept.unlink()
    undisturbed = label("--json")
    assert undisturbed.json["routers"][0]["figures"] == done.json["routers"][0]["figures"]


def test_an_outage_is_one_sentence_without_a_prompt_and_goes_on(
    label: Label, server: Server
) -> None:
    def dying(handler: Handler, request: Request) -> bool:
        return len(server.requests) > 40 and status(500)(handler, request)

    server.always = dying
    failed = label("--verbose")
    assert failed.code == 1
    assert "answers with HTTP 500" in failed.err
    server.always = None
    done = label("--verbose")
    assert done.code == 0, done.err
    assert "are kept from an earlier run" in done.err
    for said in (failed, done):
        for secret in ("question", "SECRET", "Traceback", "model says"):
            assert secret not in said.out + said.err


def test_without_yes_nothing_is_sent_and_all_is_said(
    label: Label, server: Server, database: Path
) -> None:
    asked = label(yes=False)
    assert asked.code == 2
    assert "nothing was sent: add --yes" in asked.err
    assert f"30, which leave this machine for {server.host}" in asked.err
    assert "120: 60 answers of big and small, 60 verdicts of critic in both orders" in asked.err
    assert "question" not in asked.err
    assert server.requests == []
    assert list(database.parent.glob("*label*")) == []


@pytest.mark.parametrize(
    ("more", "code", "sentence"),
    [
        (["--sample", "61"], 2, "60 distinct prompts, fewer than --sample 61: name at most 60"),
        (["--where", "model_group=none"], 1, "no request matches --where model_group=none"),
        (["-r", "nobody"], 1, "no router named 'nobody'"),
        (["--weak-model", STRONG], 2, "cannot be judged against itself"),
        (["--judge", "nameless"], 2, "no price is known for nameless: .*--price nameless=IN/OUT"),
        (["--as", "big=x"], 2, "no models are known there"),
        (["--sample", "1"], 2, "--sample"),
        (["--endpoint", "http://me:sk-own@host/v1"], 2, "holds a user, a password"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    label: Label, server: Server, more: list[str], code: int, sentence: str
) -> None:
    refused = label(*more)
    assert refused.code == code, refused.err
    assert re.search(sentence, refused.err), refused.err
    assert "sk-own" not in refused.err
    assert server.requests == []


def test_a_database_without_traffic_or_with_one_prompt_is_told(
    routectl: Routectl, server: Server, tmp_path: Path
) -> None:
    assert routectl("label", *arguments(server), "--yes").code != 0
    assert routectl("init").code == 0
    empty = routectl("label", *arguments(server), "--yes")
    assert "the database holds no traffic: run `routectl import FILE` first" in empty.err
    log = [payload(n, "one and the same") for n in range(5)]
    assert routectl("import", write_log(tmp_path / "log.jsonl", log)).code == 0
    single = routectl("label", *arguments(server, sample=2), "--yes")
    assert single.code == empty.code == 1
    assert "holds 1 distinct prompts" in single.err
    assert "one and the same" not in single.err


class TestOnPostgresql:
    @pytest.fixture
    def database_url(self, postgresql_url: str) -> str:
        return postgresql_url

    def test_the_answers_are_kept_in_the_users_state(
        self, label: Label, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        done = label("--json")
        assert done.code == 0, done.err
        kept = Path(done.json["kept"])
        assert kept.parent == tmp_path / "state" / "routectl"
        assert json.loads(kept.read_text().splitlines()[-1]) == {"settled": 120}
