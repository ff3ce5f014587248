"""Types of columns that look at what they read: SQLite lets a column hold any value."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Double,
    Integer,
    LargeBinary,
    Text,
    TypeDecorator,
)


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
    """A finite number: routectl computes no other that it stores."""

    cache_ok = True
    impl = Double

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            raise DamagedValueError
        return value


class StoredInteger(_Stored):
    cache_ok = True
    impl = Integer


class StoredBigInteger(_Stored):
    cache_ok = True
    impl = BigInteger


class StoredBytes(_Stored):
    cache_ok = True
    impl = LargeBinary
    others = (str, int, float)


class _StoredJson(_Stored):
    cache_ok = True
    impl = JSON
    others = ()
    holds: type

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if value is not None and not isinstance(value, self.holds):
            raise DamagedValueError
        return value


class StoredObject(_StoredJson):
    """A JSON object."""

    cache_ok = True
    holds = dict


class StoredList(_StoredJson):
    """A JSON array."""

    cache_ok = True
    holds = list


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
