"""`battles judge` keeps what it paid for: limits, kills, and the work of a stopped run."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from routectl.workflow.judging import work_path
from tests.chat_server import Handler, Server, changed, hang_up
from tests.loopback_server import Request
from tests.workflow.judging.conftest import Judge, arguments, rows


@pytest.mark.parametrize("limit", ["0", "0.003", "0.02", "0.045"])
def test_the_limit_is_never_passed_and_a_larger_one_goes_on(
    judge: Judge, server: Server, output: Path, limit: str
) -> None:
    short = judge("--max-cost", limit, "--concurrency", "8", "--max-tokens", "60", "--json")
    assert short.code == 3, short.err
    assert "run it again with a larger one to go on" in short.err
    assert server.charged <= Decimal(limit)
    assert short.json["complete"] is False
    assert short.json["cost"] == pytest.approx(float(server.charged))
    judged = short.json["tally"]["judged"]
    assert len(rows(output) if output.exists() else []) == judged < 6
    done = judge("--max-cost", "1", "--concurrency", "8", "--max-tokens", "60", "--json")
    assert done.code == 0, done.err
    assert len(rows(output)) == 6
    # Nothing was asked twice, so both runs together paid what one would have.
    assert set(server.answered.values()) == {1}
    assert done.json["cost"] == pytest.approx(float(server.charged))


def test_answers_that_never_arrive_count_against_the_limit(
    judge: Judge, server: Server, output: Path
) -> None:
    def every_other(handler: Handler, request: Request) -> bool:
        return len(server.requests) % 2 == 0 and hang_up(handler, request)

    server.always = every_other
    short = judge("--max-cost", "0.04", "--max-tokens", "60", "--concurrency", "3", "--json")
    assert short.code == 3, short.err
    assert Decimal("0.01") < server.charged <= Decimal("0.04")
    assert Decimal(str(short.json["cost"])) <= Decimal("0.04")


@pytest.mark.parametrize(
    "usage",
    [None, *({"prompt_tokens": count, "completion_tokens": 1} for count in (-1, 10**300, 2**63))],
)
def test_an_answer_that_does_not_say_what_it_used_counts_with_its_worst_case(
    judge: Judge, server: Server, usage: object
) -> None:
    server.always = changed(usage=usage)
    short = judge("--max-cost", "0.05", "--max-tokens", "60", "--json")
    assert short.code == 3
    assert server.charged <= Decimal("0.05")
    assert "did not say how many tokens" in short.err


def test_on_a_full_disk_nothing_is_asked_whose_answer_could_not_be_kept(
    judge: Judge, server: Server, output: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    server.answer = lambda model, prompt: f"the {model} model says {'x' * 2_000}"
    small = ("--max-tokens", "400", "--verdict-tokens", "60")
    try:
        full = [judge(*small) for _ in range(3)]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    for result in full:
        assert result.code == 1
        assert f"{work_path(output).name} cannot be written: " in result.err
    assert work_path(output).read_bytes().endswith(b"\n")
    assert server.requests
    assert judge(*small).code == 0
    assert set(server.answered.values()) == {1}


@pytest.mark.slow
def test_a_killed_run_goes_on_and_pays_nothing_twice_but_what_was_under_way(
    judge: Judge, server: Server, prompts: Path, output: Path
) -> None:
    command = [sys.executable, "-m", "routectl", "battles", "judge", str(prompts)]
    given = [*arguments(server, output), "--yes", "--concurrency", "3"]
    kills = 0
    for calls in (3, 9, 15):
        server.hold(lambda number, last=calls: number < last)
        with subprocess.Popen(
            [*command, *given],
            env={**os.environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            server.wait_for_requests(calls, process)
            process.send_signal(signal.SIGKILL)
        kills += process.returncode == -signal.SIGKILL
        server.let_go()
    assert kills == 3
    assert work_path(output).stat().st_mode & 0o777 == 0o600
    done = judge("--concurrency", "3", "--json")
    assert done.code == 0, done.err
    assert len(rows(output)) == 6
    twice = sum(times - 1 for times in server.answered.values())
    assert twice <= done.json["lost"] <= 9
    assert Decimal(str(done.json["cost"])) >= server.charged.quantize(Decimal("1e-9"))
    undisturbed = rows(output)
    output.unlink()
    assert judge().code == 0
    assert rows(output) == undisturbed


def test_an_interrupted_run_waits_for_what_is_under_way_and_keeps_it(
    judge: Judge, server: Server, prompts: Path, output: Path
) -> None:
    server.hold(lambda number: False)
    command = [sys.executable, "-m", "routectl", "battles", "judge", str(prompts)]
    with subprocess.Popen(
        [*command, *arguments(server, output), "--yes"],
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs its jobs in the background may have told us to ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stderr is not None
        server.wait_for_requests(1, process)
        process.send_signal(signal.SIGINT)
        said = []
        for line in process.stderr:
            said.append(line)
            if "waiting for the calls under way" in line:
                server.let_go()
    assert process.returncode == 1
    assert said[-1] == "Error: Interrupted; what was finished is kept.\n"
    assert server.requests
    assert "Traceback" not in "".join(said)
    done = judge("--json")
    assert (done.code, done.json["lost"]) == (0, 0)
    assert set(server.answered.values()) == {1}


def test_half_a_line_at_the_end_of_the_kept_work_is_no_damage(
    judge: Judge, server: Server, output: Path
) -> None:
    assert judge("--max-cost", "0.05", "--max-tokens", "60").code == 3
    kept = work_path(output)
    with kept.open("ab") as file:
        file.write(b'{"sent": 99, "ca')
    assert judge("--max-tokens", "60").code == 0
    assert set(server.answered.values()) == {1}


def test_kept_work_that_is_damaged_or_of_another_judging_is_left_alone(
    judge: Judge, server: Server, output: Path
) -> None:
    assert judge("--max-cost", "0.05", "--max-tokens", "60").code == 3
    kept, asked = work_path(output), len(server.requests)
    before = kept.read_bytes()
    other = judge()
    assert other.code == 1
    assert "keeps the work of another judging" in other.err
    kept.write_bytes(before[:200] + b"\n" + before[200:])
    damaged = judge("--max-tokens", "60")
    assert damaged.code == 1
    assert "is damaged" in damaged.err
    assert len(server.requests) == asked
