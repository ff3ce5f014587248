"""The two threads of an import: what the writer is given, it writes, and who else waits."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import FrameType

import pytest
from sqlalchemy import select

from routectl.errors import StoreError
from routectl.records import Population
from routectl.request import TrafficRequest
from routectl.store.batches import Batch, prepare
from routectl.store.engine import Location, Store
from routectl.store.models import Request
from routectl.store.opening import create_or_open
from routectl.workflow.importing import writing as import_writing
from routectl.workflow.importing.writing import Handover, SampleWriter, in_background

PATIENCE = 0.05


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(import_writing, "_PATIENCE_SECONDS", PATIENCE)
    store, _ = create_or_open(Location.parse(str(tmp_path / "routectl.db")))
    with store:
        yield store


def batch(*numbers: int) -> Batch:
    requests = [
        TrafficRequest("litellm", f"id-{n}", f"prompt {n}", time=datetime.now(UTC)) for n in numbers
    ]
    return prepare(requests, weight=1.0, extraction_version=1)


def writer_of(store: Store) -> SampleWriter:
    return SampleWriter(store, ["here"], Population(), None)


def ids(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.execute(select(Request.source_id).order_by(Request.id)).scalars())


def wait_for(store: Store, expected: list[str]) -> None:
    until = time.monotonic() + 300
    while ids(store) != expected:
        assert time.monotonic() < until
        time.sleep(PATIENCE / 10)


def test_batches_are_written_in_their_order(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_writing, "TRANSACTION", 3)
    writer = writer_of(store)
    with in_background(writer.write) as write:
        for n in range(10):
            write(batch(2 * n, 2 * n + 1))
    assert ids(store) == [f"id-{n}" for n in range(20)]
    assert writer.written.added == 20


def test_what_was_given_is_stored_and_others_may_write_while_the_log_keeps_waiting(
    store: Store,
) -> None:
    with in_background(writer_of(store).write) as write:
        write(batch(1))
        wait_for(store, ["id-1"])
        with store.write():
            pass  # no lock is held
        write(batch(2))
    assert ids(store) == ["id-1", "id-2"]


def test_what_was_given_before_an_interruption_is_stored(store: Store) -> None:
    def interrupted() -> None:
        with in_background(writer_of(store).write) as write:
            write(batch(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ids(store) == ["id-1"]


def test_an_interrupt_anywhere_in_the_reader_leaves_no_writer_waiting() -> None:
    """A signal is handled where a function begins and where one that is written in C returns."""
    for moment in count(1):
        calls = 0

        def interrupt(frame: FrameType, event: str, _: object, moment: int = moment) -> None:
            nonlocal calls
            if event in ("call", "c_return") and frame.f_globals is vars(import_writing):
                calls += 1
                if calls == moment:
                    raise KeyboardInterrupt

        written: list[Batch] = []

        def write(batches: Handover, written: list[Batch] = written) -> None:
            while (batch := batches.take()) is not None:
                written.append(batch)

        before = set(threading.enumerate())
        sys.setprofile(interrupt)  # of this thread alone
        try:
            with in_background(write) as give:
                for number in range(4):
                    give(batch(number))
        except KeyboardInterrupt:
            pass
        finally:
            sys.setprofile(None)
        for thread in set(threading.enumerate()) - before:
            thread.join(60)
            assert not thread.is_alive(), f"interrupted at call {moment}"
        if calls < moment:
            assert len(written) == 4
            break
    assert moment > 20


def test_what_stops_the_writer_stops_the_reader() -> None:
    def fail(batches: Handover) -> None:
        batches.take()
        raise StoreError("the disk is full")

    given = []

    def give_many() -> None:
        with in_background(fail) as write:
            for n in range(1_000):
                write(batch(n))
                given.append(n)

    with pytest.raises(StoreError, match="the disk is full"):
        give_many()
    assert len(given) < 10


def test_what_stops_the_writer_at_last_is_told() -> None:
    def fail(batches: Handover) -> None:
        while batches.take() is not None:
            pass
        raise StoreError("the disk is full")

    with pytest.raises(StoreError, match="the disk is full"), in_background(fail) as write:
        write(batch(1))


def test_a_transaction_that_brings_nothing_new_leaves_no_sample(store: Store) -> None:
    first, again, more = writer_of(store), writer_of(store), writer_of(store)
    with in_background(first.write) as write:
        write(batch(1, 2))
    first.finish(seen=2, kept=2, counts={})
    with in_background(again.write) as write:
        write(batch(1))
        write(batch(2))
    assert (again.sample_id, again.written.unchanged) == (None, 2)
    with in_background(more.write) as write:
        write(batch(1, 2))
        write(batch(3))
    assert more.sample_id not in (None, first.sample_id)
    assert (more.written.unchanged, more.written.added) == (2, 1)
