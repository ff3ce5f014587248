"""Leases: work that only one process may do at a time, whatever becomes of that process."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, select, update

from routectl.store.dialects import insert_ignoring_conflicts
from routectl.store.models import Lease

LIFETIME = timedelta(seconds=60)
"""A holder that has not renewed for so long is taken for dead."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease, and since when."""

    name: str
    since: datetime


def take(connection: Connection, name: str, token: str) -> Holder | None:
    """Take or renew a lease; returns who holds it when that is somebody else."""
    now = datetime.now(UTC)
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
    renewed = connection.execute(
        update(Lease)
        .where(Lease.name == name, Lease.token == token)
        .values(expires_at=now + LIFETIME)
    )
    if renewed.rowcount:
        return None
    row = connection.execute(select(Lease.holder, Lease.since).where(Lease.name == name)).one()
    return Holder(row[0], row[1])


def release(connection: Connection, name: str, token: str) -> None:
    """Give a lease back; nothing happens when it was lost."""
    connection.execute(delete(Lease).where(Lease.name == name, Lease.token == token))


def new_token() -> str:
    """A token that nobody else has."""
    return secrets.token_hex(16)
