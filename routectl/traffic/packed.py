"""Logs in containers that need a package of their own: zstd and Parquet."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import IO, Any

import orjson

from routectl.errors import InputError

_BATCH_ROWS = 50
_MOST_BYTES = 2**23
"""Of rows that are objects and JSON at the same time. A value that repeats is written once in a
Parquet file, and a kilobyte may hold ten thousand prompts of a megabyte each."""
_PIECE = 2**13
"""Packed bytes at a time: what they unpack to lies in memory."""


def unpacked_zstd(packed: IO[bytes], name: str) -> Callable[[int], bytes]:
    """Return what reads the content of a zstd file; damage is an OSError.

    Raises:
        InputError: The package that unpacks it is not installed.
    """
    try:
        import zstandard
    except ImportError:
        raise InputError(
            f"{name} is packed with zstd: run `pip install 'routectl[zstd]'`, or unpack it first."
        ) from None
    pieces = _unpacked(packed, zstandard)
    held = bytearray()

    def read(size: int) -> bytes:
        while not held and (piece := next(pieces, None)) is not None:
            held.extend(piece)
        data = bytes(held[:size])
        del held[:size]
        return data

    return read


def _unpacked(packed: IO[bytes], zstandard: Any) -> Iterator[bytes]:
    """Yield the content of frames one behind the other.

    Piece by piece, because the package's own reader takes a frame that ends in the middle for the
    end of the file.
    """
    unpacker = zstandard.ZstdDecompressor()
    frame, left, begun = unpacker.decompressobj(), b"", False
    while piece := left or packed.read(_PIECE):
        left = b""
        try:
            yield frame.decompress(piece)
        except zstandard.ZstdError as error:
            raise OSError("the zstd data is corrupt") from error
        if frame.eof:
            left = frame.unused_data
            frame = unpacker.decompressobj()
            begun = bool(left)
        else:
            begun = True
    if begun:
        raise OSError("the zstd data ends in the middle")


class Lines(io.RawIOBase):
    """Bytes that an iterator gives, as a file. Each read gives a chunk or a part of one."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._held = b""

    def read(self, size: int = -1) -> bytes:
        """Return at most so many bytes; none at the end."""
        while not self._held:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._held = chunk
        data, self._held = self._held[:size], self._held[size:]
        return data


def parquet_lines(path: str, name: str) -> Lines:
    """Return the rows of a Parquet file as lines of JSON, read batch by batch.

    Raises:
        InputError: It is damaged, or the package that reads it is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            f"{name} is a Parquet file: run `pip install 'routectl[parquet]'`, or export JSON."
        ) from None
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (OSError, ValueError):
        # What the reader says may quote the file.
        raise InputError(f"{name} is a damaged Parquet file.") from None

    def chunks() -> Iterator[bytes]:
        with file:
            batches = file.iter_batches(batch_size=_BATCH_ROWS)
            while True:
                try:
                    batch = next(batches, None)
                    if batch is None:
                        return
                    for part in _parts(batch):
                        yield b"".join(map(_line, _rows(part)))
                except (OSError, ValueError, OverflowError, NotImplementedError):
                    raise InputError(f"{name} is a damaged Parquet file.") from None

    return Lines(chunks())


def _parts(batch: Any) -> Iterator[Any]:
    """Yield a batch in parts that do not become too large."""
    from pyarrow import types

    size = batch.nbytes
    for column in batch.columns:
        if types.is_dictionary(column.type):
            # Each row may be its longest value.
            size += batch.num_rows * column.dictionary.nbytes
    rows = max(1, batch.num_rows * _MOST_BYTES // max(1, size))
    for at in range(0, batch.num_rows, rows):
        yield batch.slice(at, rows)


def _rows(batch: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]]
    try:
        rows = batch.to_pylist()
    except (ValueError, OverflowError):
        rows = _times_as_texts(batch).to_pylist()
    return rows


def _times_as_texts(batch: Any) -> Any:
    """A batch for which Python has no times: it knows no nanoseconds, no year 10,000 and no zone
    that is not installed.

    Texts are read as those of any log, and one that is no time spoils only its own row. Arrow's
    times are in UTC, whatever their zone, and so is a text without one.
    """
    import pyarrow

    def without_zone(kind: Any) -> Any:
        return pyarrow.timestamp(kind.unit) if pyarrow.types.is_timestamp(kind) else kind

    def as_text(_: Any) -> Any:
        return pyarrow.string()

    columns = batch.columns
    for change in (without_zone, as_text):
        columns = [column.cast(_with_times(column.type, change)) for column in columns]
    return pyarrow.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _with_times(kind: Any, change: Callable[[Any], Any]) -> Any:
    """An Arrow type, with the types of times in it changed."""
    import pyarrow

    of = pyarrow.types
    if of.is_temporal(kind):
        return change(kind)
    if of.is_struct(kind):
        return pyarrow.struct(
            [member.with_type(_with_times(member.type, change)) for member in kind]
        )
    if of.is_list(kind):
        return pyarrow.list_(_with_times(kind.value_type, change))
    if of.is_map(kind):
        return pyarrow.map_(kind.key_type, _with_times(kind.item_type, change))
    return kind


def _line(row: dict[str, Any]) -> bytes:
    return orjson.dumps(row, default=_plain, option=orjson.OPT_NON_STR_KEYS) + b"\n"


def _plain(value: object) -> object:
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)
