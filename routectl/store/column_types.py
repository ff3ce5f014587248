"""Types of columns that look at what they read: SQLite lets a column hold any value."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Double, Integer, LargeBinary, Text, TypeDecorator


class DamagedValueError(Exception):
    """A stored value is not of its column's type; raised while rows are read."""


class _Stored(TypeDecorator[Any]):
    """A type whose stored values are looked at when they are read: SQLite lets a column hold any.

    One that is of another type comes from a damaged file, and would else be an answer or end in an
    error that quotes it. Raises DamagedValueError.
    """

    cache_ok = True
    impl: Any = Text
    others: tuple[type, ...] = (str, bytes)
    """What the driver must not hand over."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        decoded = super().result_processor(dialect, coltype)
        others = self.others

        def checked(value: Any) -> Any:
            if isinstance(value, others):
                raise DamagedValueError
            if decoded is None:
                return value
            try:
                return decoded(value)
            except (ValueError, TypeError, OverflowError, RecursionError):
                raise DamagedValueError from None

        return checked


class StoredText(_Stored):
    cache_ok = True
    impl = Text
    others = (bytes, int, float)


class StoredFloat(_Stored):
    cache_ok = True
    impl = Double


class StoredInteger(_Stored):
    cache_ok = True
    impl = Integer


class StoredBytes(_Stored):
    cache_ok = True
    impl = LargeBinary
    others = (str, int, float)


class StoredJson(_Stored):
    cache_ok = True
    impl = JSON
    others = ()


class UtcDateTime(_Stored):
    """An aware time, in UTC. SQLite keeps no zone, so it stores the UTC wall clock."""

    cache_ok = True
    impl = DateTime(timezone=True)
    others = ()

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
