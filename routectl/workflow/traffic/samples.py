"""`routectl samples`: what each import brought, and taking one out again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from routectl.store import samples as stored
from routectl.store.engine import Location
from routectl.store.opening import open_store
from routectl.store.samples import Removal, StoredSample

__all__ = ["Removal", "Removed", "StoredSample", "list_samples", "plan_removal", "remove_sample"]


@dataclass(frozen=True, slots=True)
class Removed:
    """What was taken out."""

    removal: Removal
    copy: Path | None
    """The database as it was: of SQLite."""


def list_samples(location: Location) -> list[StoredSample]:
    """All samples, newest first."""
    with open_store(location) as store, store.read() as connection:
        return stored.samples(connection)


def plan_removal(location: Location, sample_id: int) -> Removal:
    """What `remove_sample` would take out; raises StoreError where there is no such sample."""
    with open_store(location) as store, store.read() as connection:
        return stored.removal(connection, sample_id)


def remove_sample(location: Location, sample_id: int) -> Removed:
    """Take out a sample's requests, after copying a SQLite file.

    Raises:
        StoreError: there is no such sample, or the database cannot be copied.
    """
    from routectl.store.schema import copy_of

    with open_store(location) as store, store.write() as connection:
        stored.sample(connection, sample_id)
        copy = copy_of(location, f"with-s{sample_id}")
        return Removed(stored.remove(connection, sample_id), copy)
