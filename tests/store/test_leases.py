"""Leases: one holder at a time, and a dead one does not hold for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from routectl.store import leases
from routectl.store.engine import Store
from routectl.store.models import Lease


def take(store: Store, token: str) -> leases.Holder | None:
    with store.write() as connection:
        return leases.take(connection, "score mf", token)


def test_a_second_taker_is_told_who_holds_it(store: Store) -> None:
    assert take(store, "first") is None
    holder = take(store, "second")
    assert holder is not None
    assert ":" in holder.name
    assert datetime.now(UTC) - holder.since < timedelta(minutes=1)


def test_the_holder_renews_and_then_gives_it_back(store: Store) -> None:
    take(store, "first")
    with store.read() as connection:
        before = connection.execute(select(Lease.expires_at)).scalar_one()
    with store.write() as connection:
        assert leases.renew(connection, "score mf", "first")
        assert connection.execute(select(Lease.expires_at)).scalar_one() > before
        leases.release(connection, "score mf", "first")
    assert take(store, "second") is None


@pytest.mark.parametrize("token", ["second", "nobody"])
def test_only_the_holder_can_give_it_back(store: Store, token: str) -> None:
    take(store, "first")
    with store.write() as connection:
        leases.release(connection, "score mf", token)
    assert take(store, "second") is not None


def test_a_dead_holder_s_lease_expires(store: Store) -> None:
    take(store, "dead")
    with store.write() as connection:
        connection.execute(
            update(Lease).values(expires_at=datetime.now(UTC) - timedelta(seconds=1))
        )
    assert take(store, "second") is None
    assert take(store, "dead") is not None
    with store.write() as connection:
        assert not leases.renew(connection, "score mf", "dead")
