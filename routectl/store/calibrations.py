"""Calibrations: immutable once written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select

from routectl.errors import StoreError
from routectl.store.models import Calibration


def add_calibration(connection: Connection, values: Mapping[str, Any]) -> int:
    """Write a calibration; returns its id."""
    statement = insert(Calibration).values(**values).returning(Calibration.id)
    return int(connection.execute(statement).scalar_one())


def calibration(connection: Connection, calibration_id: int) -> Calibration:
    """The calibration with this id; raises StoreError when there is none."""
    query = select(Calibration.__table__).where(Calibration.id == calibration_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise StoreError(
            f"no calibration {calibration_id} in this database: `routectl history` lists them"
        )
    return _detached(row)


def newest_calibration(connection: Connection, router: str | None = None) -> Calibration | None:
    """The newest calibration (of a router), if any."""
    query = select(Calibration.__table__).order_by(Calibration.id.desc()).limit(1)
    if router is not None:
        query = query.where(Calibration.router == router)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _detached(row)


def calibrations(connection: Connection, limit: int) -> list[Calibration]:
    """The newest calibrations, newest first."""
    query = select(Calibration.__table__).order_by(Calibration.id.desc()).limit(limit)
    return [_detached(row) for row in connection.execute(query).mappings()]


def _detached(row: RowMapping) -> Calibration:
    return Calibration(**row)
