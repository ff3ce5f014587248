"""Command lines that are killed at random moments, run again, and looked at.

Each is a real process that really gets SIGKILL. They are forked from one that has imported
routectl already: so that the moments lie in what the command does, not in Python's start.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, text

from routectl.store.engine import Location, connect
from tests.databases import damage
from tests.evaluation.files import STRONG, WEAK, own_benchmark
from tests.postgresql import PostgresqlServer

REPOSITORY = Path(__file__).parents[1]
KILLS_IN_A_ROW = 4

FACTS = {
    "samples": "source, source_kind, seen, kept, counts, key, finished_at IS NOT NULL FROM samples",
    "prompts": "digest, text FROM prompts",
    "requests": "source_kind, source_id, p.digest, attempt_key, weight, time, cost "
    "FROM requests LEFT JOIN prompts p ON p.id = prompt_id",
    "routers": "name, fingerprint FROM routers",
    "scores": "r.fingerprint, p.digest, win_rate, longer_than_read "
    "FROM scores JOIN routers r ON r.id = router_id JOIN prompts p ON p.id = prompt_id",
    "calibrations": "fingerprint, population, threshold, rows_digest, intervals, details "
    "FROM calibrations",
    "routes": "name FROM routes",
    "battles": "source, source_id, p.digest, model_a, model_b, winner, annotator "
    "FROM battles JOIN prompts p ON p.id = prompt_id",
    "evaluations": "benchmark, data_digest, fingerprint, figures, details FROM evaluations",
    "activations": "r.name, mode, calibration_id, note "
    "FROM activations JOIN routes r ON r.id = route_id",
}
"""What must be the same in the end, whatever happened on the way: all but times and numbers."""

IMPORTED_AHEAD = (
    "alembic.command",
    "click._termui_impl",
    "orjson",
    "psycopg",
    "safetensors.numpy",
    "scipy.special",
    "sqlalchemy.dialects.sqlite",
    "tabulate",
    "tty",
    "routectl.calibration",
    "routectl.cli.activate",
    "routectl.cli.battles.import_",
    "routectl.cli.calibrate",
    "routectl.cli.db",
    "routectl.cli.evaluate",
    "routectl.cli.evaluation_table",
    "routectl.cli.export",
    "routectl.cli.import_",
    "routectl.cli.rollback",
    "routectl.cli.score",
    "routectl.evaluation.router_results",
    "routectl.store.schema",
    "routectl.workflow.activating.run",
    "routectl.workflow.battles.run",
    "routectl.workflow.calibrating.run",
    "routectl.workflow.databases",
    "routectl.workflow.evaluating",
    "routectl.workflow.exporting.run",
)

APPENDED = ("calibrations", "activations", "evaluations")
"""A command that was killed after it had written such a row writes one more when run again."""

Facts = dict[str, list[str]]


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    killed: bool
    code: int
    seconds: float
    err: str


@dataclass
class Nursery:
    """A process that has everything imported, and forks a child for each command line."""

    _process: subprocess.Popen[str]

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator[Nursery]:
        with subprocess.Popen(
            [sys.executable, "-m", "tests.killing"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        ) as process:
            yield cls(process)
            assert process.stdin is not None
            process.stdin.close()

    def run(
        self,
        arguments: list[str],
        kill_after: float | None = None,
        *,
        user: int | None = None,
        largest_file: int | None = None,
    ) -> Ended:
        """Run a command line.

        Args:
            kill_after: kill it so many seconds after its start.
            user: user and group id to run it as.
            largest_file: bytes beyond which it can write no file.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([arguments, kill_after, user, largest_file]) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


@dataclass(frozen=True)
class Scene:
    """A command, and what went before it."""

    name: str
    before: tuple[tuple[str, ...], ...]
    command: tuple[str, ...]


def scenes(log: Path) -> dict[str, Scene]:
    """Every command that writes, by name."""
    imported = ("import", str(log))
    calibrated = ("calibrate", "-r", "random", "--strong-fraction", "0.3")
    activated = ("activate", "--force", "--note", "before")
    reactivated = ("activate", "--force", "--note", "new")
    downgraded = ("db", "downgrade", "0001")
    judged = own_benchmark(log.with_name("own.csv"), rows=2_000)
    evaluated = ("evaluate", "--benchmark", str(judged), "-r", "length", "--draws", "50")
    pair = ("--strong-model", STRONG, "--weak-model", WEAK)
    return {
        scene.name: scene
        for scene in (
            Scene("import", (), imported),
            Scene("score", (imported,), ("score", "-r", "random")),
            Scene("score by two", (imported,), ("score", "-r", "random", "-r", "length")),
            Scene("calibrate", (imported,), calibrated),
            Scene("evaluate", (("init",),), (*evaluated, *pair)),
            Scene("activate", (imported, calibrated, activated), reactivated),
            # One that is killed after it was stored walks a step back, and so does the next.
            Scene(
                "rollback",
                (imported, calibrated, *[activated] * (KILLS_IN_A_ROW + 2)),
                ("rollback",),
            ),
            Scene("db upgrade", (imported, calibrated, activated, downgraded), ("db", "upgrade")),
        )
    }


@dataclass
class Report:
    """What came of it."""

    kills: int = 0
    survived: int = 0
    """Runs that ended before they were to be killed."""
    wrong: list[str] = field(default_factory=list)


def kill_and_run_again(
    nursery: Nursery, scene: Scene, fresh: Callable[[], str], *, kills: int, seed: int
) -> Report:
    """Kill a command at random moments of its run, and run it to the end, until `kills` hit."""
    moments = random.Random(seed)
    report = Report()
    url = fresh()
    undisturbed = nursery.run([*scene.command, "--db", url])
    if undisturbed.code != 0:
        return Report(wrong=[undisturbed.err])
    expected = facts(url)
    lasts = undisturbed.seconds
    while report.kills < kills and report.survived < 20 * kills:
        url = fresh()
        seen = facts(url)
        runs = 0
        for _ in range(KILLS_IN_A_ROW):
            runs += 1
            moment = moments.uniform(0, lasts)
            ended = nursery.run([*scene.command, "--db", url], moment)
            report.kills += ended.killed
            report.survived += not ended.killed
            where = f"{scene.name}, killed after {moment:.4f} s"
            report.wrong += [f"{where}: {sentence}" for sentence in damage(url)]
            before, seen = seen, facts(url)
            report.wrong += [f"{where}: {table} lost rows" for table in lost(before, seen)]
            if not ended.killed:
                # The machine may have less to do than it had before.
                lasts = ended.seconds
                break
        last = nursery.run([*scene.command, "--db", url])
        if last.code != 0:
            report.wrong.append(f"{scene.name} run again: {last.err}")
        report.wrong += [f"{scene.name} in the end: {s}" for s in differences(expected, url, runs)]
    return report


def facts(url: str) -> Facts:
    """Each table's rows, as far as they are facts."""
    location = Location.parse(url)
    if location.path is not None and not location.path.exists():
        return {}
    with connect(location) as store, store.read() as connection:
        present = inspect(connection).get_table_names()
        return {
            table: sorted(map(repr, connection.execute(text(f"SELECT {what}"))))
            for table, what in FACTS.items()
            if table in present
        }


def lost(before: Facts, after: Facts) -> list[str]:
    """Tables of which a stored row is gone; a sample row is filled in."""
    return [
        table
        for table, rows in before.items()
        if table != "samples" and not set(rows) <= set(after.get(table, []))
    ]


def differences(expected: Facts, url: str, runs: int) -> list[str]:
    """Where the end is not what it would have been undisturbed."""
    found = facts(url)
    wrong = [str(sentence) for sentence in damage(url)]
    for table, rows in expected.items():
        more = len(found.get(table, [])) - len(rows)
        if table in APPENDED:
            if set(found.get(table, [])) != set(rows) or not 0 <= more <= runs:
                wrong.append(f"{table} hold something else than whole rows of {runs} runs")
        elif found.get(table) != rows:
            wrong.append(f"{table} differ ({more:+} rows)")
    path = Location.parse(url).path
    if path is not None:
        wrong += [f"{left.name} is left over" for left in path.parent.glob("*.partial")]
    return wrong


def copies_of(nursery: Nursery, scene: Scene, folder: Path) -> Callable[[], str]:
    """Makes SQLite databases on which the scene's earlier commands ran: copies of one."""
    template = folder / "template" / "routectl.db"
    template.parent.mkdir(parents=True)
    run_before(nursery, scene, str(template))
    numbers = iter(range(10**6))

    def fresh() -> str:
        copy = folder / str(next(numbers)) / "routectl.db"
        copy.parent.mkdir()
        if template.exists():
            shutil.copy(template, copy)
        return str(copy)

    return fresh


def schemas_of(
    nursery: Nursery, scene: Scene, server: PostgresqlServer, stack: ExitStack
) -> Callable[[], str]:
    """Makes PostgreSQL schemas on which the scene's earlier commands ran."""

    def fresh() -> str:
        url = stack.enter_context(server.new_schema())
        ended = nursery.run(["init", "--db", url])
        assert ended.code == 0, ended.err
        run_before(nursery, scene, url)
        return url

    return fresh


def run_before(nursery: Nursery, scene: Scene, url: str) -> None:
    for command in scene.before:
        ended = nursery.run([*command, "--db", url])
        assert ended.code == 0, ended.err


def _serve() -> None:
    for module in IMPORTED_AHEAD:
        import_module(module)
    from routectl.cli.app import run
    from routectl.store import battles, engine, leases
    from routectl.workflow.importing import run as importing
    from routectl.workflow.importing import writing as import_writing
    from routectl.workflow.scoring import leasing

    # More transactions, so that more moments lie between two of them.
    importing.BATCH, import_writing.TRANSACTION = 100, 4
    battles.BATCH = 1000
    engine.BUSY_TIMEOUT_SECONDS = 1.0
    leases.LIFETIME = timedelta(seconds=0.05)
    leasing.POLL_SECONDS = 0.01
    errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
    for line in sys.stdin:
        arguments, kill_after, user, largest_file = json.loads(line)
        errors.truncate(0)
        errors.seek(0)
        started = time.perf_counter()
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(errors.fileno(), 2)
            if largest_file is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
            if user is not None:
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)
            os._exit(run(arguments))
        if kill_after is not None:
            time.sleep(kill_after)
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        seconds = time.perf_counter() - started
        errors.seek(0)
        ended: dict[str, Any] = {
            "killed": os.WIFSIGNALED(status),
            "code": os.waitstatus_to_exitcode(status),
            "seconds": seconds,
            "err": errors.read().decode(errors="replace")[-1000:],
        }
        sys.stdout.write(json.dumps(ended) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
