"""The writing of an import, on a thread of its own while another one reads."""

from __future__ import annotations

import gc
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from queue import Empty, SimpleQueue

from sqlalchemy import Connection

from routectl.extraction import EXTRACTION_VERSION
from routectl.records import Population
from routectl.store.batches import Batch
from routectl.store.engine import Store
from routectl.store.traffic import (
    Written,
    add_requests,
    begin_sample,
    finish_sample,
    unfinished_sample,
)

BATCH = 2_500
"""Requests handed over to the writer at a time: few, so that it begins soon and ends soon after
the last line was read, and what they hold is still in the processor's cache."""

TRANSACTION = 8
"""Batches written in one transaction. Keys are digests, so each transaction touches every page of
their indexes: with a batch in each, pages are written several times over."""

_AHEAD = 2
_TURN_SECONDS = 0.0005
_PATIENCE_SECONDS = 0.25
_COLLECT_EVERY = 100_000


class Handover:
    """Batches on their way from the thread that reads to the one that writes, a few at most.

    The queues are those written in C: an interrupt of the thread that reads can leave the lock of a
    `threading.Condition` taken, and the other one waiting for ever.
    """

    def __init__(self) -> None:
        self._batches: SimpleQueue[Batch | None] = SimpleQueue()
        self._room: SimpleQueue[bool] = SimpleQueue()
        for _ in range(_AHEAD):
            self._room.put(True)
        self.end = partial(self._batches.put, None)
        """Say that no batch follows. An interrupt comes before or after it, never within."""

    def give(self, batch: Batch) -> bool:
        """Hand a batch over as soon as there is room; False where nobody takes it any more."""
        if self._room.get():
            self._batches.put(batch)
            return True
        self._room.put(False)
        return False

    def take(self, patience: float | None = None) -> Batch | None:
        """Take the next batch; None at the end, or where none came within `patience` seconds."""
        try:
            batch = self._batches.get(timeout=patience)
        except Empty:
            return None
        if batch is None:
            self.end()  # it is what whoever asks again is told
        else:
            self._room.put(True)
        return batch

    def stop(self) -> None:
        """Say that no further batch will be taken."""
        self._room.put(False)


@contextmanager
def in_background(write: Callable[[Handover], None]) -> Iterator[Callable[[Batch], None]]:
    """Run `write` on a thread of its own; yields the function that hands it batches.

    So a log is read on while SQLite works, and memory holds a few batches. What the writer
    raised is raised by a later call, or on leaving; leaving waits until all was written.
    """
    handover = Handover()

    def run() -> None:
        try:
            write(handover)
        finally:
            handover.stop()

    def give(batch: Batch) -> None:
        if not handover.give(batch):
            writing.result()

    with ThreadPoolExecutor(1) as thread, _short_turns():
        try:
            writing = thread.submit(run)
            yield give
        finally:
            handover.end()
        writing.result()


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for garbage less often: a batch is many objects and no cycle, and each 700th of them
    would have the others walked over, for a tenth of an import's time."""
    usual = gc.get_threshold()
    gc.set_threshold(_COLLECT_EVERY, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


@contextmanager
def _short_turns() -> Iterator[None]:
    """Let threads take shorter turns: the writer needs one only briefly and between statements,
    and would wait 5 ms for each."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


class SampleWriter:
    """Writes batches into the sample of an import, which is made with its first new row."""

    def __init__(
        self, store: Store, sources: Sequence[str], population: Population, sample_size: int | None
    ) -> None:
        self.written = Written()
        self._store = store
        self._sources = sources
        self._population = population.to_json()
        self._sample_size = sample_size
        parts = [sources, self._population, sample_size, EXTRACTION_VERSION]
        self._key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        with store.read() as connection:
            self.sample_id = unfinished_sample(connection, self._key)

    def write(self, batches: Handover) -> None:
        """Write all batches, several in a transaction.

        A transaction also ends where the next batch keeps it waiting, so that no other writer
        waits for whoever writes the log.
        """
        while (batch := batches.take()) is not None:
            self._write_transaction(batch, batches)

    def _write_transaction(self, first: Batch, more: Handover) -> None:
        written = Written()
        batch: Batch | None = first
        count = 0
        with self._store.write() as connection:
            sample_id = self.sample_id or self._begin_sample(connection, first.source_kind)
            while batch is not None:
                written += add_requests(connection, sample_id, batch)
                count += 1
                batch = more.take(_PATIENCE_SECONDS) if count < TRANSACTION else None
            if self.sample_id is None and not written.changed:
                # Nothing new yet: an import that changes nothing leaves no sample behind.
                connection.rollback()
        if written.changed:
            self.sample_id = sample_id
        self.written += written

    def _begin_sample(self, connection: Connection, source_kind: str) -> int:
        return begin_sample(
            connection,
            key=self._key,
            source=", ".join(self._sources),
            source_kind=source_kind,
            population=self._population,
            sample_size=self._sample_size,
            extraction_version=EXTRACTION_VERSION,
        )

    def finish(self, *, seen: int, kept: int, counts: dict[str, object]) -> None:
        """Set what the import counted, if it has a sample, and that it is done."""
        if self.sample_id is None:
            return
        with self._store.write() as connection:
            finish_sample(connection, self.sample_id, seen=seen, kept=kept, counts=counts)
