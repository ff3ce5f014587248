"""Several at once on one database: everything happens once, and in some order."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from typing import TypeVar

import pytest
from sqlalchemy import Connection, func, select

from routectl.prices import parse_prices
from routectl.records import Population
from routectl.store import leases
from routectl.store.engine import Location
from routectl.store.models import Activation
from routectl.store.opening import create_or_open, open_store
from routectl.workflow.activating.history import history
from routectl.workflow.activating.run import Asked, activate, roll_back
from routectl.workflow.databases import init, upgrade
from routectl.workflow.importing import ImportResult, import_traffic
from routectl.workflow.routes.declaring import Wanted, set_route
from tests.conftest import Routectl, Silence, payload, write_log
from tests.databases import damage, rows_by_table

T = TypeVar("T")
MANY = 6


def at_once(work: Callable[[int], T], many: int = MANY) -> list[T]:
    """Run `work` in as many threads, all from one moment on. Each has a connection of its own."""
    start = Barrier(many)

    def run(number: int) -> T:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(many) as pool:
        return list(pool.map(run, range(many)))


@pytest.fixture
def location(database_url: str) -> Location:
    return Location.parse(database_url)


def declare(location: Location, name: str) -> None:
    prices = parse_prices(["big=2/8", "small=1/1"])
    wanted = Wanted(strong="big", weak="small", prices=prices)
    set_route(location, name, wanted, note=None, reporter=Silence())


def test_rollbacks_at_once_each_walk_one_step_back(location: Location) -> None:
    declare(location, "smart")
    for number in range(MANY + 2):
        activate(location, Asked(rule="always_weak"), route="smart", note=str(number))
    done = at_once(lambda _: roll_back(location, route="smart", to=None, note=None))
    assert sorted(a.restores or 0 for a in done) == list(range(2, MANY + 2))
    newest = history(location, route="smart", limit=1).activations[0]
    assert newest.restores == 2


def test_activations_at_once_make_one_route_and_lose_none(location: Location) -> None:
    init(location)
    done = at_once(
        lambda n: activate(location, Asked(rule="always_strong"), route=None, note=str(n))
    )
    log = history(location, route="default", limit=100).activations
    assert {a.id for a in log} == {a.id for a in done}
    assert len(log) == MANY


def test_readers_that_share_work_see_one_state_while_another_writes(location: Location) -> None:
    init(location)
    done = Event()

    def write() -> None:
        while not done.is_set():
            activate(location, Asked(rule="always_weak"), route=None, note=None)

    def count(connection: Connection) -> int:
        return connection.execute(select(func.count()).select_from(Activation)).scalar_one()

    with ThreadPoolExecutor(1) as pool, open_store(location) as store:
        writing = pool.submit(write)
        try:
            seen = []
            for _ in range(60):
                with store.read_together(3) as readers:
                    seen.append([count(reader) for reader in readers])
        finally:
            done.set()
        writing.result()
    assert all(len(set(counts)) == 1 for counts in seen)
    assert seen[0] < seen[-1]


def test_imports_of_one_log_at_once_store_each_request_once(
    location: Location, database_url: str, tmp_path: Path
) -> None:
    # Attempts, and prompts that repeat: what two writers of one batch could both think new.
    records = [
        payload(n, f"question {n // 2}", litellm_call_id=f"call-{n // 3}") for n in range(3_000)
    ]
    log = write_log(tmp_path / "log", records)
    import_once(location, log)
    alone = rows_by_table(database_url)
    results = at_once(lambda _: import_once(location, log))
    assert sum(r.written.changed for r in results) == 0
    assert rows_by_table(database_url) == alone


@pytest.mark.slow
def test_imports_of_one_log_at_once_into_an_empty_database_make_one_sample(
    location: Location, database_url: str, tmp_path: Path
) -> None:
    log = write_log(tmp_path / "log", [payload(n) for n in range(3_000)])
    results = at_once(lambda _: import_once(location, log))
    assert sum(r.written.added for r in results) == 3_000
    rows = rows_by_table(database_url)
    assert [len(rows[t]) for t in ("samples", "prompts", "requests")] == [1, 3_000, 3_000]
    assert damage(database_url) == []


def test_two_logs_that_overlap_imported_at_once_share_their_prompts(
    location: Location, database_url: str, tmp_path: Path
) -> None:
    logs = [
        write_log(
            tmp_path / f"log-{part}",
            [payload(n + 3_000 * part, f"question {n}") for n in range(part, 2_500, 1 + part)],
        )
        for part in range(2)
    ]
    at_once(lambda n: import_once(location, logs[n]), 2)
    rows = rows_by_table(database_url)
    assert len(rows["prompts"]) == 2_500
    assert len(rows["requests"]) == 2_500 + 1_250


def test_databases_made_and_upgraded_at_once_are_whole(
    routectl: Routectl, location: Location, database_url: str
) -> None:
    at_once(lambda _: init(location))
    whole = rows_by_table(database_url)
    assert routectl("db", "downgrade", "0001").code == 0
    at_once(lambda _: upgrade(location))
    assert rows_by_table(database_url) == whole
    assert damage(database_url) == []


def test_of_takers_at_once_one_gets_the_lease(location: Location) -> None:
    store, _ = create_or_open(location)
    store.close()

    def take(number: int) -> leases.Holder | None:
        with open_store(location) as store, store.write() as connection:
            return leases.take(connection, "score", str(number))

    assert at_once(take).count(None) == 1


def import_once(location: Location, log: Path) -> ImportResult:
    return import_traffic(
        location,
        [str(log)],
        format=None,
        population=Population(),
        sample_size=None,
        rejects=None,
        source_name=None,
        reporter=Silence(),
    )
