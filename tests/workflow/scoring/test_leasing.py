"""Two runs of one router: the second waits and says for whom; a dead one does not hold for ever."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import delete, insert

from routectl.errors import RouterError, StoreError
from routectl.records import Population, RouterIdentity
from routectl.routers import OpenRouter, RouterDescription, open_router
from routectl.store import leases
from routectl.store.dialects import clock
from routectl.store.engine import Location, Store
from routectl.store.models import Lease
from routectl.store.opening import open_store
from routectl.workflow.scoring import score
from routectl.workflow.scoring.leasing import lease
from tests.conftest import Routectl, Silence, payload, write_log
from tests.databases import rows_by_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PROMPTS = 400
HELD_RUN = """
import sys
from datetime import timedelta
from routectl.cli.app import run
from routectl.routers.random import RandomRouter
from routectl.store import leases
from routectl.workflow.scoring import run as scoring

leases.LIFETIME = timedelta(seconds=float(sys.argv[1]))
scoring.LARGEST_STEP = 64
quick = RandomRouter.strong_win_rates
steps = 0

def held(router, prompts):
    global steps
    steps += 1
    if steps > int(sys.argv[2]):
        sys.stdin.read()  # until that is closed
    return quick(router, prompts)

RandomRouter.strong_win_rates = held
sys.exit(run(sys.argv[3:]))
"""
"""`routectl` with a short lease, that is held after some steps of scoring."""

IDENTITY = RouterIdentity("patient", "f" * 64, None, 0.0)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database_url(request: pytest.FixtureRequest, database: Path) -> str:
    """Either database: the tests wait for seconds each, so one of them takes `make test-slow`."""
    if request.param == "sqlite":
        return str(database)
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture
def many(routectl: Routectl, tmp_path: Path) -> None:
    """A database with prompts to score."""
    log = write_log(tmp_path / "many.jsonl", [payload(n) for n in range(PROMPTS)])
    assert routectl("import", log).code == 0


@pytest.fixture
def short_lifetime(monkeypatch: pytest.MonkeyPatch) -> float:
    """A lease that is over in a moment, unless it is renewed."""
    monkeypatch.setattr(leases, "LIFETIME", timedelta(seconds=2))
    return 2.0


def held_run(url: str, *, lifetime: float, steps: int) -> subprocess.Popen[str]:
    """`routectl score` in a process of its own, that is held after some steps."""
    arguments = ["score", "-r", "random", "--db", url]
    return subprocess.Popen(
        [sys.executable, "-c", HELD_RUN, str(lifetime), str(steps), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(table: str, url: str, process: subprocess.Popen[str]) -> None:
    """Until a table has rows."""
    while not rows_by_table(url)[table]:
        assert process.poll() is None
        time.sleep(0.02)


def stop_between_two_writes(pid: int, url: str) -> None:
    """Put a process to sleep, as a closed laptop does, but not while it has the database locked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("routectl.store.engine.BUSY_TIMEOUT_SECONDS", 0.1)
        while True:
            os.kill(pid, signal.SIGSTOP)
            with (
                suppress(StoreError),
                open_store(Location.parse(url)) as probe,
                probe.write(),
            ):
                return
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.01)


def scores(url: str) -> int:
    return len(rows_by_table(url)["scores"])


@pytest.mark.usefixtures("many")
def test_the_second_run_waits_says_for_whom_and_scores_nothing_twice(database_url: str) -> None:
    class LettingGo(Silence):
        """Lets the first run go on when it is told that the second one waits."""

        def note(self, sentence: str) -> None:
            super().note(sentence)
            if "waiting for it" in sentence:
                assert first.stdin is not None
                first.stdin.close()

    reporter = LettingGo()
    with held_run(database_url, lifetime=60, steps=1) as first:
        wait_for("leases", database_url, first)
        location, router = Location.parse(database_url), open_router("random")
        (second,) = score(location, [router], Population(), reporter)
        first.wait()
        assert first.stdout is not None
        assert str(PROMPTS) in first.stdout.read()
    assert first.returncode == 0
    (note,) = reporter.notes
    assert note.startswith(
        f"{socket.gethostname()}:{first.pid} has been busy with scoring with random"
    )
    assert second.scored == 0
    assert scores(database_url) == PROMPTS
    assert rows_by_table(database_url)["leases"] == []


@pytest.mark.usefixtures("many")
def test_the_lease_of_a_killed_run_expires_and_the_second_goes_on_from_there(
    routectl: Routectl, database_url: str
) -> None:
    with held_run(database_url, lifetime=1.0, steps=1) as first:
        wait_for("scores", database_url, first)
        first.kill()
    kept = scores(database_url)
    assert 0 < kept < PROMPTS
    second = routectl("score", "-r", "random", "--json")
    assert second.code == 0
    assert second.json[0]["scored"] == PROMPTS - kept
    assert scores(database_url) == PROMPTS


@pytest.mark.usefixtures("many")
def test_a_run_that_slept_too_long_stops_with_one_sentence_and_nothing_is_twice(
    routectl: Routectl, database_url: str
) -> None:
    with held_run(database_url, lifetime=0.5, steps=1) as first:
        wait_for("scores", database_url, first)
        stop_between_two_writes(first.pid, database_url)
        try:
            second = routectl("score", "-r", "random", "--json")
        finally:
            os.kill(first.pid, signal.SIGCONT)
        _, err = first.communicate()
    assert second.code == 0
    assert first.returncode == 1
    (error,) = [line for line in err.splitlines() if "Database" not in line]
    assert error.startswith("Error: this process was not heard from for")
    assert scores(database_url) == PROMPTS


class Patient:
    """A router that waits before it scores, and may be told what to do meanwhile."""

    identity = IDENTITY

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile

    def strong_win_rates(self, prompts: Sequence[str]) -> NDArray[np.float64]:
        self._meanwhile()
        return np.full(len(prompts), 0.5)

    def longer_than_read(self, prompts: Sequence[str]) -> NDArray[np.bool_]:
        return np.zeros(len(prompts), dtype=np.bool_)


def patient(load: Callable[[], None], step: Callable[[], None]) -> OpenRouter:
    description = RouterDescription(
        "patient", "patient", "", None, (), None, None, "the whole prompt", None, None
    )

    def loader() -> Patient:
        load()
        return Patient(step)

    return OpenRouter(IDENTITY, description, loader)


def taken_by_another(url: str) -> bool:
    with open_store(Location.parse(url)) as store, store.write() as connection:
        return leases.take(connection, f"score patient {IDENTITY.fingerprint}", "other") is None


@pytest.mark.parametrize("slow", [pytest.param("load", marks=pytest.mark.slow), "step"])
def test_a_load_or_a_step_longer_than_the_lease_keeps_it(
    routectl: Routectl, log: Path, database_url: str, short_lifetime: float, slow: str
) -> None:
    routectl("import", log)
    taken: list[bool] = []

    def wait() -> None:
        if not taken:
            time.sleep(1.1 * short_lifetime)
        taken.append(taken_by_another(database_url))

    def nothing() -> None:
        pass

    router = patient(wait if slow == "load" else nothing, wait if slow == "step" else nothing)
    (result,) = score(Location.parse(database_url), [router], Population(), Silence())
    assert result.scored == 200
    assert taken
    assert not any(taken)


def test_a_run_whose_lease_was_taken_stores_no_more(
    routectl: Routectl, log: Path, database_url: str
) -> None:
    routectl("import", log)

    def lose() -> None:
        with open_store(Location.parse(database_url)) as store, store.write() as connection:
            connection.execute(delete(Lease))

    location = Location.parse(database_url)
    with pytest.raises(StoreError, match="its lease on scoring with patient ended"):
        score(location, [patient(lambda: None, lose)], Population(), Silence())
    assert scores(database_url) == 0


def test_the_lease_is_given_back_when_the_work_fails(store: Store) -> None:
    with pytest.raises(RouterError), lease(store, "score", "scoring", Silence()):
        raise RouterError("no")
    with store.write() as connection:
        assert leases.take(connection, "score", "other") is None


def test_a_lease_from_a_clock_that_ran_ahead_ends_when_it_was_said_to(
    store: Store, reporter: Silence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LIFETIME", timedelta(seconds=0.2))
    with store.write() as connection:
        ahead = clock(connection) + timedelta(days=9000)
        values = {"name": "work", "holder": "far:1", "token": "x"}
        connection.execute(insert(Lease).values(**values, since=ahead, expires_at=ahead))
    # Without an end of its own it would be waited for until the test is stopped.
    with lease(store, "work", "working", reporter):
        pass
    (note,) = reporter.notes
    assert note.startswith("far:1 has been busy with working")
