"""Nightly looks at drift: append-only, one row a route, calibration, alarm and day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from routectl.store.dialects import insert_ignoring_conflicts
from routectl.store.models import DriftCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLook:
    """A look that was not stored yet; the fields are the table's columns."""

    alarm: str
    """traffic, proxy or fallback."""
    day: str
    """In UTC, such as 2026-11-29."""
    requests: float
    share: float | None
    e_value: float
    rang: bool
    details: Mapping[str, Any]
    """Plain JSON values."""


def drift_checks(
    connection: Connection, route_id: int, calibration_id: int
) -> dict[str, list[DriftCheck]]:
    """The looks at a route's traffic against a calibration by alarm, in the order of their days."""
    query = (
        select(DriftCheck.__table__)
        .where(DriftCheck.route_id == route_id, DriftCheck.calibration_id == calibration_id)
        .order_by(DriftCheck.day)
    )
    looks: dict[str, list[DriftCheck]] = {}
    for row in connection.execute(query).mappings():
        looks.setdefault(row["alarm"], []).append(DriftCheck(**row))
    return looks


def add_drift_checks(
    connection: Connection, route_id: int, calibration_id: int, looks: Sequence[NewLook]
) -> None:
    """Store looks. A day that was looked at keeps its first look."""
    now = datetime.now(UTC)
    for look in looks:
        values = {
            "route_id": route_id,
            "calibration_id": calibration_id,
            "alarm": look.alarm,
            "day": look.day,
            "requests": look.requests,
            "share": look.share,
            "e_value": look.e_value,
            "rang": look.rang,
            "details": dict(look.details),
            "created_at": now,
        }
        connection.execute(insert_ignoring_conflicts(connection, DriftCheck), values)
