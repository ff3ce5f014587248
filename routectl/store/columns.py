"""Columns of numbers, a million rows at a time.

Through a cursor, every row costs a tuple and an object for each number, several times what
reading it off the disk costs. SQLite can instead hand over a whole column as one text of
integers, which NumPy parses at once. A float travels as an integer that holds all of its bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Connection, Double, bindparam, case, cast, func, literal, select
from sqlalchemy.sql.elements import ColumnElement

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEYS_AT_ONCE = 1 << 18
"""Keys of one statement: its texts take some 20 MB, where SQLite refuses those above 1 GB."""

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


def read_columns(
    connection: Connection,
    key: ColumnElement[int],
    columns: Mapping[str, Column],
    where: Sequence[ColumnElement[bool]],
) -> dict[str, NDArray[Any]]:
    """Columns of one table as parallel arrays, in the order of the key.

    Args:
        key: the table's integer key; where it has several columns, `where` fixes the others.
        columns: what to read, by name.
        where: the rows that are wanted.
    """
    if connection.dialect.name == "sqlite":
        found = _read_as_texts(connection, key, columns, where)
        if found is not None:
            return found
    return _read_row_by_row(connection, key, columns, where)


def _read_as_texts(
    connection: Connection,
    key: ColumnElement[int],
    columns: Mapping[str, Column],
    where: Sequence[ColumnElement[bool]],
) -> dict[str, NDArray[Any]] | None:
    """The columns, or None where one holds a number that does not travel as an integer."""
    import numpy as np

    parts: dict[str, list[NDArray[Any]]] = {
        name: [column.decoded(np.empty(0, dtype=np.int64))] for name, column in columns.items()
    }
    start, end = bindparam("start", type_=BigInteger), bindparam("end", type_=BigInteger)
    codes_of = [func.group_concat(column.encoded()) for column in columns.values()]
    query = select(*codes_of).where(*where, key >= start, key < end)
    next_key = select(func.min(key)).where(*where, key >= start)
    first = connection.execute(select(func.min(key)).where(*where)).scalar()
    while first is not None:
        after = first + KEYS_AT_ONCE
        texts = connection.execute(query, {"start": first, "end": after}).one()
        for (name, column), text in zip(columns.items(), texts, strict=True):
            codes: NDArray[np.int64] = np.fromstring(text or "", dtype=np.int64, sep=",")
            if isinstance(column, Real) and len(codes) and codes.min() <= _UNFIT:
                return None
            parts[name].append(column.decoded(codes))
        first = connection.execute(next_key, {"start": after}).scalar()
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _read_row_by_row(
    connection: Connection,
    key: ColumnElement[int],
    columns: Mapping[str, Column],
    where: Sequence[ColumnElement[bool]],
) -> dict[str, NDArray[Any]]:
    """The columns as one structured array, straight from the driver's cursor."""
    import numpy as np

    plain = {name: column.plain() for name, column in columns.items()}
    fields = np.dtype([(name, kind) for name, (_, kind) in plain.items()])
    query = select(*(value.label(name) for name, (value, _) in plain.items()))
    result = connection.execute(query.where(*where).order_by(key))
    cursor: Any = result.cursor
    rows: NDArray[Any] = np.fromiter(cursor, dtype=fields)
    result.close()
    return {
        name: column.from_plain(np.ascontiguousarray(rows[name]))
        for name, column in columns.items()
    }
