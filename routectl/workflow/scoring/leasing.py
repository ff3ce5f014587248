"""Work that one process may do at a time, under a lease that a thread keeps renewing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread

from sqlalchemy import Connection

from routectl.errors import StoreError
from routectl.store import leases
from routectl.store.engine import Store
from routectl.workflow.reporter import Reporter

POLL_SECONDS = 0.5
_BEATS = 4
"""Renewals in a lease's lifetime: three may fail, on a locked database say, and it lives."""


@dataclass(frozen=True, slots=True)
class HeldLease:
    """A lease that this process took."""

    name: str
    token: str
    work: str

    def confirm(self, connection: Connection) -> None:
        """Renew the lease in the transaction that stores what was done under it.

        Raises:
            StoreError: this process was not heard from for so long that it was taken for dead.
        """
        if not leases.renew(connection, self.name, self.token):
            raise StoreError(
                f"this process was not heard from for {leases.LIFETIME.total_seconds():.0f} s, so "
                f"its lease on {self.work} ended; what was stored before is kept: run the command "
                "again to go on"
            )


@contextmanager
def lease(store: Store, name: str, work: str, reporter: Reporter) -> Iterator[HeldLease]:
    """Wait for a lease, saying who holds it, and keep it alive while the context lasts.

    Args:
        work: what is done under it, as in "is busy with ...".
    """
    held = HeldLease(name, leases.new_token(), work)
    done = Event()
    heart = Thread(target=_beat, args=(store, held, done), name=f"lease {name}", daemon=True)
    try:
        _wait_for(store, held, reporter)
        heart.start()
        yield held
    finally:
        done.set()
        if heart.is_alive():
            heart.join()
        # What cannot be given back expires, and must not hide why the work ended.
        with suppress(StoreError), store.write() as connection:
            leases.release(connection, name, held.token)


def _wait_for(store: Store, held: HeldLease, reporter: Reporter) -> None:
    announced, seen, seen_at = None, None, time.monotonic()
    while True:
        with store.write() as connection:
            holder = leases.take(connection, held.name, held.token)
            if holder is None:
                return
            if holder != seen:
                seen, seen_at = holder, time.monotonic()
            elif time.monotonic() - seen_at > leases.LIFETIME.total_seconds():
                # Not renewed for a lifetime by this clock, whatever clock it was taken by.
                leases.end(connection, held.name, holder)
        if (holder.name, holder.since) != announced:
            reporter.note(
                f"{holder.name} has been busy with {held.work} since "
                f"{holder.since.isoformat(timespec='seconds')}: waiting for it (a process that "
                f"died holds on for {leases.LIFETIME.total_seconds():.0f} s at most)"
            )
            announced = (holder.name, holder.since)
        time.sleep(POLL_SECONDS)


def _beat(store: Store, held: HeldLease, done: Event) -> None:
    while not done.wait(leases.LIFETIME.total_seconds() / _BEATS):
        # A beat that fails is made up for by the next one; `confirm` finds out what is lost.
        with suppress(StoreError), store.write() as connection:
            leases.renew(connection, held.name, held.token)
