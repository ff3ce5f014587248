"""Columns of numbers, a million rows at a time.

Through a cursor every number becomes a Python object, which takes several times what reading it
off the disk does. SQLite can instead hand over a whole column as one text of integers, which NumPy
parses at once. A float is sent as an integer, too: as a multiple of a power of two that is fine
enough for all of its bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Connection, Double, bindparam, case, cast, func, literal, select
from sqlalchemy.sql.elements import ColumnElement

from routectl.store.column_types import DamagedValueError
from routectl.store.engine import Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEYS_AT_ONCE = 1 << 17
"""Keys of one statement: its texts take some 10 MB, where SQLite refuses those above 1 GB."""

# Codes of floats that need no such integer.
_ZERO = 0
_USUAL = 1
_NULL = -1
_OUT_OF_RANGE = -2

# A float in [2^e, 2^(e + 8)) is a multiple of 2^(e - 52): an integer in [2^52, 2^60). Eight such
# ranges, one below the other, reach over 64 powers of two. The number of the range goes into the
# three bits above the integer's 60.
_RANGE_OCTAVES = 8
_RANGES = 8
_RANGE_SHIFT = 60


@dataclass(frozen=True, slots=True)
class IntColumn:
    """A column of integers that are at least 0. Read as int64[n], -1 where null."""

    value: ColumnElement[Any]

    def encoded(self) -> ColumnElement[Any]:
        """SQL of the code of a row's value."""
        return func.coalesce(self.value, literal(_NULL))

    def decoded(self, codes: NDArray[np.int64]) -> NDArray[Any]:
        """The values of these codes."""
        return codes

    def plain(self) -> tuple[ColumnElement[Any], str]:
        """SQL of the value for a cursor, never null, and its dtype."""
        return self.encoded(), "i8"

    def from_plain(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values of what the cursor gave."""
        return values


@dataclass(frozen=True, slots=True)
class FloatColumn:
    """A column of finite floats. Read as float64[n], NaN where null.

    Quick for 0, `usual` and what lies in [2^(exponent - 64), 2^exponent); right for all else.
    """

    value: ColumnElement[Any]
    exponent: int
    usual: float | None = None
    """The value that most rows have, if there is one: its code is short."""

    def encoded(self) -> ColumnElement[Any]:
        """SQL of the code of a row's value."""
        first, *others = (
            (
                self.value >= literal(2.0 ** self._lowest_exponent(k), Double),
                cast(self.value * literal(1 / self._unit(k), Double), BigInteger)
                + literal(k << _RANGE_SHIFT),
            )
            for k in range(_RANGES)
        )
        usual = (self.value == literal(self.usual, Double), literal(_USUAL))
        return case(
            *([] if self.usual is None else [usual]),
            # Before the ranges, because in SQLite a text is above every number.
            (self.value >= literal(2.0**self.exponent, Double), literal(_OUT_OF_RANGE)),
            first,
            (self.value.is_(None), literal(_NULL)),
            *others,
            (self.value == literal(0.0, Double), literal(_ZERO)),
            else_=literal(_OUT_OF_RANGE),
        )

    def decoded(self, codes: NDArray[np.int64]) -> NDArray[Any]:
        """The values of these codes, none of which is out of range."""
        import numpy as np

        units = np.array([self._unit(k) for k in range(_RANGES)])
        # -1 is in no range; any will do.
        values = (codes & ((1 << _RANGE_SHIFT) - 1)) * units[codes >> _RANGE_SHIFT]
        values[codes == _NULL] = np.nan
        if self.usual is not None:
            values[codes == _USUAL] = self.usual
        return np.asarray(values, dtype=np.float64)

    def plain(self) -> tuple[ColumnElement[Any], str]:
        """SQL of the value for a cursor, never null, and its dtype."""
        # SQLite has no NaN, and an infinite number can be no weight, time or cost.
        return func.coalesce(self.value, literal(float("inf"), Double)), "f8"

    def from_plain(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values of what the cursor gave."""
        import numpy as np

        values[np.isinf(values)] = np.nan
        return values

    def _lowest_exponent(self, k: int) -> int:
        """Floats in range k are at least 2 to this power."""
        return self.exponent - _RANGE_OCTAVES * (k + 1)

    def _unit(self, k: int) -> float:
        """The floats in range k are multiples of this power of two, so nothing is rounded."""
        return 2.0 ** (self._lowest_exponent(k) - 52)


Column = IntColumn | FloatColumn


@dataclass(frozen=True, slots=True)
class Rows:
    """What is wanted of a table."""

    key: ColumnElement[int]
    """Its integer key; where that has several columns, `where` fixes the others."""
    columns: Mapping[str, Column]
    where: Sequence[ColumnElement[bool]] = ()


def read_columns(store: Store, *tables: Rows) -> list[dict[str, NDArray[Any]]]:
    """Columns of tables as parallel arrays, in the order of each table's key.

    All are read at once, by a thread for each table, and as of one state of the database.
    """
    with store.read_together(len(tables)) as connections, ThreadPoolExecutor(len(tables)) as pool:
        if connections[0].dialect.name != "sqlite":
            return list(pool.map(_read_row_by_row, connections, tables))
        readings = [_Texts(rows) for rows in tables]
        # The threads share each table, because one may take several times what the other takes.
        for reading in readings:
            list(pool.map(reading.read, connections))
        for connection in connections:
            # The pages that each has kept, which nobody reads again: 64 MB (`engine.py`).
            connection.exec_driver_sql("PRAGMA shrink_memory")
        return [
            _read_row_by_row(connections[0], reading.rows)
            if reading.out_of_range
            else reading.arrays()
            for reading in readings
        ]


class _Texts:
    """A table that SQLite hands over as texts, some keys at a time, to several threads."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.out_of_range = False
        """Whether a column holds a number that no code stands for."""
        self._parts: dict[int, dict[str, NDArray[Any]]] = {}
        self._turn = Lock()
        self._next = -(1 << 63)
        start, end = bindparam("start", type_=BigInteger), bindparam("end", type_=BigInteger)
        key, texts = rows.key, [func.group_concat(c.encoded()) for c in rows.columns.values()]
        self._read = select(*texts).where(*rows.where, key >= start, key < end)
        self._first = select(func.min(key)).where(*rows.where, key >= start)

    def read(self, connection: Connection) -> None:
        """Read the next keys, until none are left."""

        while (start := self._take(connection)) is not None:
            span = {"start": start, "end": start + KEYS_AT_ONCE}
            texts = connection.execute(self._read, span).one()
            part = self._parts[start] = {}
            lengths = set()
            for (name, column), text in zip(self.rows.columns.items(), texts, strict=True):
                codes = _parsed(text)
                lengths.add(len(codes))
                if isinstance(column, FloatColumn) and len(codes) and codes.min() <= _OUT_OF_RANGE:
                    self.out_of_range = True
                part[name] = column.decoded(codes)
            if len(lengths) > 1:
                raise DamagedValueError

    def _take(self, connection: Connection) -> int | None:
        """The first key that nobody has read, if there is one: keys may lie far apart."""
        with self._turn:
            if self.out_of_range:
                return None
            first = connection.execute(self._first, {"start": self._next}).scalar()
            if first is not None:
                self._next = first + KEYS_AT_ONCE
            return first

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The columns; the parts are given up."""
        import numpy as np

        parts = [self._parts[start] for start in sorted(self._parts)]
        self._parts.clear()
        none: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        return {
            name: np.concatenate([column.decoded(none), *(part.pop(name) for part in parts)])
            for name, column in self.rows.columns.items()
        }


def _parsed(text: str | None) -> NDArray[np.int64]:
    """The integers of a text that SQLite made, all of them.

    NumPy parses up to the first that is none, such as a text in a column of a damaged file.
    """
    import numpy as np

    if not text:
        return np.empty(0, dtype=np.int64)
    try:
        codes: NDArray[np.int64] = np.fromstring(text, dtype=np.int64, sep=",")
    except (DeprecationWarning, ValueError):  # where warnings are errors, and some day always
        raise DamagedValueError from None
    if len(codes) != text.count(",") + 1:
        raise DamagedValueError
    return codes


def _read_row_by_row(connection: Connection, rows: Rows) -> dict[str, NDArray[Any]]:
    """The columns as one structured array, straight from the driver's cursor."""
    import numpy as np

    plain = {name: column.plain() for name, column in rows.columns.items()}
    fields = np.dtype([(name, kind) for name, (_, kind) in plain.items()])
    query = select(*(value.label(name) for name, (value, _) in plain.items()))
    result = connection.execute(query.where(*rows.where).order_by(rows.key))
    cursor: Any = result.cursor
    try:
        values: NDArray[Any] = np.fromiter(cursor, dtype=fields)
    except (ValueError, TypeError, OverflowError):
        raise DamagedValueError from None
    result.close()
    return {
        name: column.from_plain(np.ascontiguousarray(values[name]))
        for name, column in rows.columns.items()
    }
