"""Leases: work that only one process may do at a time; a lease of a process that died expires."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, update

from routectl.store.dialects import clock, insert_ignoring_conflicts
from routectl.store.models import Lease

LIFETIME = timedelta(seconds=60)
"""A holder that has not renewed for so long is taken for dead."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease, and since when."""

    name: str
    since: datetime
    expires_at: datetime
    """Later than `LIFETIME` from now, where it was taken by a clock that ran ahead."""


def take(connection: Connection, name: str, token: str) -> Holder | None:
    """Take a lease that nobody holds; returns who does when that is somebody else."""
    now = clock(connection)
    connection.execute(delete(Lease).where(Lease.name == name, Lease.expires_at < now))
    connection.execute(
        insert_ignoring_conflicts(connection, Lease),
        {
            "name": name,
            "holder": f"{socket.gethostname()}:{os.getpid()}",
            "token": token,
            "since": now,
            "expires_at": now + LIFETIME,
        },
    )
    query = select(Lease.holder, Lease.since, Lease.expires_at, Lease.token).where(
        Lease.name == name
    )
    holder, since, expires_at, holding_token = connection.execute(query).one()
    return None if holding_token == token else Holder(holder, since, expires_at)


def end(connection: Connection, name: str, holder: Holder) -> None:
    """End the lease of a holder that has not renewed it since; nothing happens if it has."""
    connection.execute(
        delete(Lease).where(
            Lease.name == name,
            Lease.since == holder.since,
            Lease.expires_at == holder.expires_at,
        )
    )


def renew(connection: Connection, name: str, token: str) -> bool:
    """Prolong a lease; False when it was lost, because it was not renewed in time."""
    renewed = connection.execute(
        update(Lease)
        .where(Lease.name == name, Lease.token == token)
        .values(expires_at=clock(connection) + LIFETIME)
    )
    return renewed.rowcount == 1


def release(connection: Connection, name: str, token: str) -> None:
    """Give a lease back; nothing happens when it was lost."""
    connection.execute(delete(Lease).where(Lease.name == name, Lease.token == token))


def new_token() -> str:
    """A token that nobody else has."""
    return secrets.token_hex(16)
