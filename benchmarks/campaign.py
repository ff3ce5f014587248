"""The campaign: kills, fuzzed inputs and hostile text over every command, in one run.

    python benchmarks/campaign.py
    python benchmarks/campaign.py --kills 20 --postgresql-kills 4 --inputs 500

It prints what was lost, and how many tracebacks, raw control characters and prompts were printed:
all must be 0. docs/threats.md says which tests hold the same, in small.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the harness is part of the tests

from benchmarks.hostile import attack
from routectl.cli.app import run
from routectl.workflow.judging import setup
from tests.chat_server import Server
from tests.conftest import payload, write_log
from tests.fuzz.properties import PROPERTIES
from tests.hostile_text import ACTING, SECRET, Scene, acting_characters, forged_lines
from tests.killing import Nursery, copies_of, kill_and_run_again, scenes, schemas_of
from tests.postgresql import PostgresqlServer

REQUESTS = 3_000
IMPORTANT = ("import", "score", "calibrate", "activate", "rollback", "db upgrade")
FAILED = ("Traceback", "in a way it should not")
LONGEST = 10 * 3600.0


def kills(count: int, postgresql: int, seed: int) -> tuple[int, int, list[str]]:
    """Kills on SQLite and on PostgreSQL, and what went wrong."""
    hit, hit_on_server, wrong = 0, 0, list[str]()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        nursery = stack.enter_context(Nursery.opened())
        records = [payload(n, f"question {n * 7 % 1999}") for n in range(REQUESTS)]
        scene_by_name = scenes(write_log(Path(folder) / "litellm.jsonl", records))
        for name in IMPORTANT:
            fresh = copies_of(nursery, scene_by_name[name], Path(folder) / name)
            share = -(-count // len(IMPORTANT))
            report = kill_and_run_again(nursery, scene_by_name[name], fresh, kills=share, seed=seed)
            hit += report.kills
            wrong += report.wrong
            print(f"  {name}: {report.kills} kills", flush=True)
        if postgresql:
            server = stack.enter_context(PostgresqlServer.started())
            for name in IMPORTANT:
                fresh = schemas_of(nursery, scene_by_name[name], server, stack)
                share = -(-postgresql // len(IMPORTANT))
                report = kill_and_run_again(
                    nursery, scene_by_name[name], fresh, kills=share, seed=seed
                )
                hit_on_server += report.kills
                wrong += report.wrong
                print(f"  {name} on PostgreSQL: {report.kills} kills", flush=True)
    return hit, hit_on_server, wrong


def hostile_text() -> tuple[int, dict[str, list[str]]]:
    """Command lines that ran on hostile text, and what they printed that they should not."""
    printed_wrongly: dict[str, list[str]] = {
        "tracebacks": [],
        "control characters": [],
        "prompts": [],
    }
    ran = 0
    for name in (setup.JUDGE_KEY, setup.MODELS_KEY):
        os.environ.pop(name, None)
    os.environ["ROUTECTL_ACTOR"] = f"somebody {ACTING}"
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, Server().started() as server:
        os.chdir(folder)
        for step in Scene(Path(folder), server).steps():
            for more in ((), ("-v",), ("-q",), ("--json",)):
                out, err = StringIO(), StringIO()
                with redirect_stdout(out), redirect_stderr(err):
                    run([*step, *more])
                printed = out.getvalue() + err.getvalue()
                line = ascii(" ".join((*step[:2], *more)))
                ran += 1
                if any(words in printed for words in FAILED):
                    printed_wrongly["tracebacks"].append(f"{line}: {err.getvalue()[-300:]!a}")
                if acting_characters(printed) or forged_lines(printed):
                    printed_wrongly["control characters"].append(line)
                if SECRET in printed:
                    printed_wrongly["prompts"].append(line)
        os.chdir(here)
    return ran, printed_wrongly


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=400, help="on SQLite")
    parser.add_argument("--postgresql-kills", type=int, default=100)
    parser.add_argument("--inputs", type=int, default=10_000, help="fuzzed ones")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    started = time.monotonic()

    def told(what: str) -> None:
        print(f"{what} ({time.monotonic() - started:.0f} s)", flush=True)

    lines, printed_wrongly = hostile_text()
    told(f"{lines} command lines on hostile text")
    drawn, broken = attack(LONGEST, arguments.inputs, arguments.seed, list(PROPERTIES))
    told(f"{sum(drawn.values()):,} fuzzed inputs, {len(broken)} of {len(drawn)} properties broken")
    hit, hit_on_server, wrong = kills(arguments.kills, arguments.postgresql_kills, arguments.seed)
    told(f"{hit + hit_on_server} kills, {hit_on_server} of them on PostgreSQL")
    for sentence in (
        *wrong,
        *broken,
        *(line for some in printed_wrongly.values() for line in some),
    ):
        print(f"  {sentence}")
    print(
        f"{len(wrong)} lost, {len(printed_wrongly['tracebacks']) + len(broken)} tracebacks, "
        f"{len(printed_wrongly['control characters'])} raw control characters, "
        f"{len(printed_wrongly['prompts'])} prompts in errors"
    )
    return int(bool(wrong or broken or any(printed_wrongly.values())))


if __name__ == "__main__":
    raise SystemExit(main())
