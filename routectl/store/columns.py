"""Columns of numbers, a million rows at a time.

Through a cursor, every row costs a tuple and an object for each number, several times what
reading it off the disk costs. SQLite can instead hand over a whole column as one text of
integers, which NumPy parses at once. A float travels as an integer that holds all of its bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Connection, Double, bindparam, case, cast, func, literal, select
from sqlalchemy.sql.elements import ColumnElement

from routectl.store.engine import Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEYS_AT_ONCE = 1 << 17
"""Keys of one statement: its texts take some 10 MB, where SQLite refuses those above 1 GB."""

_ZERO = 0
_USUAL = 1
_UNKNOWN = -1
_UNFIT = -2

# A float in [2^e, 2^(e + 8)) times 2^(52 - e) is an integer in [2^52, 2^60), exactly. So an
# integer of 63 bits has room for it and for which of eight such bands it is in.
_OCTAVES = 8
_BANDS = 8
_BAND_BITS = 60


@dataclass(frozen=True, slots=True)
class Whole:
    """A column of integers that are at least 0. Read as int64[n], -1 where null."""

    value: ColumnElement[Any]

    def encoded(self) -> ColumnElement[Any]:
        return func.coalesce(self.value, literal(_UNKNOWN))

    def decoded(self, codes: NDArray[np.int64]) -> NDArray[Any]:
        return codes

    def plain(self) -> tuple[ColumnElement[Any], str]:
        return self.encoded(), "i8"

    def from_plain(self, values: NDArray[Any]) -> NDArray[Any]:
        return values


@dataclass(frozen=True, slots=True)
class Real:
    """A column of floats that are at least 0. Read as float64[n], NaN where null.

    Quick for 0, `usual` and what lies in [2^(exponent - 64), 2^exponent); right for all else.
    """

    value: ColumnElement[Any]
    exponent: int
    usual: float | None = None
    """The value that most rows have, if there is one: it travels as a short code."""

    def encoded(self) -> ColumnElement[Any]:
        first, *others = (
            (
                self.value >= literal(2.0 ** (self.exponent - _OCTAVES * (band + 1)), Double),
                cast(self.value * literal(1 / self._unit(band), Double), BigInteger)
                + literal(band << _BAND_BITS),
            )
            for band in range(_BANDS)
        )
        usual = (self.value == literal(self.usual, Double), literal(_USUAL))
        return case(
            *([] if self.usual is None else [usual]),
            # Before the bands, because in SQLite a text is above every number.
            (self.value >= literal(2.0**self.exponent, Double), literal(_UNFIT)),
            first,
            (self.value.is_(None), literal(_UNKNOWN)),
            *others,
            (self.value == literal(0.0, Double), literal(_ZERO)),
            else_=literal(_UNFIT),
        )

    def decoded(self, codes: NDArray[np.int64]) -> NDArray[Any]:
        import numpy as np

        units = np.array([self._unit(band) for band in range(_BANDS)])
        # The band of -1 is none; any will do.
        values = (codes & ((1 << _BAND_BITS) - 1)) * units[codes >> _BAND_BITS]
        values[codes == _UNKNOWN] = np.nan
        if self.usual is not None:
            values[codes == _USUAL] = self.usual
        return np.asarray(values, dtype=np.float64)

    def plain(self) -> tuple[ColumnElement[Any], str]:
        # SQLite has no NaN, and an infinite number can be no weight, time or cost.
        return func.coalesce(self.value, literal(float("inf"), Double)), "f8"

    def from_plain(self, values: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        values[np.isinf(values)] = np.nan
        return values

    def _unit(self, band: int) -> float:
        """What an integer of the band is worth: a power of two, so nothing is rounded."""
        return 2.0 ** (self.exponent - _OCTAVES * (band + 1) - 52)


Column = Whole | Real


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
            _read_row_by_row(connections[0], reading.rows) if reading.unfit else reading.arrays()
            for reading in readings
        ]


class _Texts:
    """A table that SQLite hands over as texts, some keys at a time, to several threads."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.unfit = False
        """Whether a column holds a number that does not travel as an integer."""
        self._parts: dict[int, dict[str, NDArray[Any]]] = {}
        self._turn = Lock()
        self._next = -(1 << 63)
        start, end = bindparam("start", type_=BigInteger), bindparam("end", type_=BigInteger)
        key, texts = rows.key, [func.group_concat(c.encoded()) for c in rows.columns.values()]
        self._read = select(*texts).where(*rows.where, key >= start, key < end)
        self._first = select(func.min(key)).where(*rows.where, key >= start)

    def read(self, connection: Connection) -> None:
        """Read the next keys, until none are left."""
        import numpy as np

        while (start := self._take(connection)) is not None:
            span = {"start": start, "end": start + KEYS_AT_ONCE}
            texts = connection.execute(self._read, span).one()
            part = self._parts[start] = {}
            for (name, column), text in zip(self.rows.columns.items(), texts, strict=True):
                codes: NDArray[np.int64] = np.fromstring(text or "", dtype=np.int64, sep=",")
                if isinstance(column, Real) and len(codes) and codes.min() <= _UNFIT:
                    self.unfit = True
                part[name] = column.decoded(codes)

    def _take(self, connection: Connection) -> int | None:
        """The first key that nobody has read, if there is one: keys may lie far apart."""
        with self._turn:
            if self.unfit:
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


def _read_row_by_row(connection: Connection, rows: Rows) -> dict[str, NDArray[Any]]:
    """The columns as one structured array, straight from the driver's cursor."""
    import numpy as np

    plain = {name: column.plain() for name, column in rows.columns.items()}
    fields = np.dtype([(name, kind) for name, (_, kind) in plain.items()])
    query = select(*(value.label(name) for name, (value, _) in plain.items()))
    result = connection.execute(query.where(*rows.where).order_by(rows.key))
    cursor: Any = result.cursor
    values: NDArray[Any] = np.fromiter(cursor, dtype=fields)
    result.close()
    return {
        name: column.from_plain(np.ascontiguousarray(values[name]))
        for name, column in rows.columns.items()
    }
