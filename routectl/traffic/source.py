"""A log as rows of bytes: a file or standard input, plain or gzip, read once and in bounded
memory."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import stat
import sys
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import IO, Any, Self

from routectl.errors import InputError
from routectl.traffic import splitting
from routectl.traffic.calls import Calls
from routectl.traffic.packed import Lines, parquet_lines, unpacked_zstd

HEAD_BYTES = 2**20
"""The head of a log, for sniffing, ends after the row that passes this many bytes."""
HEAD_ROWS = 1000
STANDARD_INPUT = "standard input"
_CHUNK = 2**18
_PROBE = 8000
_MOST_NUL = 0.05

_GZIP, _ZSTD, _PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF_32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_PACKED = {b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"PK\x03\x04": "zip"}


class Source:
    """One log, opened. Iterate `rows` or `lines` once; `head` may be asked before.

    Attributes:
        name: What the user called it, for messages.
        size: Bytes on disk, packed as they are; None where unknown.
        spans_lines: Whether it is JSON whose objects do not keep to lines; its rows are objects.
        unread: How many values there were that could not be read, by what they should be.
        calls: The calls that were read of it, for logs that may hold one twice.
    """

    def __init__(
        self,
        stream: IO[bytes] | io.RawIOBase,
        *,
        name: str,
        identity: str | Callable[[], str],
        size: int | None = None,
    ) -> None:
        self.name = name
        self.size = size
        self._identity = identity
        self._stream = stream
        self._file = _Steady(stream.read)
        packed = io.BufferedReader(self._file, _CHUNK)
        magic = packed.peek(4)[:4]
        self._unpacker: _Steady | None = None
        if magic.startswith(_GZIP):
            self._unpacker = _Steady(gzip.GzipFile(fileobj=packed).read1)
        elif magic == _ZSTD:
            self._unpacker = _Steady(unpacked_zstd(packed, name))
        self._buffer = io.BufferedReader(self._unpacker, _CHUNK) if self._unpacker else packed
        start = self._buffer.peek(_CHUNK)
        self._refuse_what_is_no_text(start[:_PROBE])
        self.spans_lines = splitting.spans_lines(start)
        self._carriage = b"\n" not in start and b"\r" in start.rstrip(b"\r")
        self.unread: Counter[str] = Counter()
        self.calls = Calls()
        self._rows = (splitting.objects if self.spans_lines else splitting.lines)(self._chunks())
        self._ahead: deque[bytes] = deque()
        self._given = 0

    @property
    def identity(self) -> str:
        """What the ids of rows are derived from where the log has none: the resolved path
        without a trailing `.gz`, so that packing a log does not change them, or "-"."""
        if not isinstance(self._identity, str):
            self._identity = self._identity()
        return self._identity

    @property
    def bytes_read(self) -> int:
        """Bytes taken from the file so far; comparable with `size`."""
        return self._file.count

    def head(self) -> list[bytes]:
        """Return the first rows that are not blank, without consuming them.

        Raises:
            InputError: There is none.
        """
        size = sum(map(len, self._ahead))
        try:
            while len(self._ahead) < HEAD_ROWS and size < HEAD_BYTES:
                row = next(self._rows)
                size += len(row)
                self._ahead.append(row)
        except (StopIteration, InputError):
            pass  # damage is told when what came before it has been read
        head = [row for row in self._ahead if type(row) is bytes and row.strip()]
        if not head:
            self._tell_damage()
            raise InputError(f"{self.name} begins with nothing that could be read.")
        return head

    def lines(self) -> Iterator[bytes]:
        r"""Yield every line without its `\n`; one that is too long as a `Cut`.

        Raises:
            InputError: The file is damaged; after the last line that was whole.
        """
        if not self._ahead:
            self._rows = splitting.lines(self._chunks())
        return self.rows()

    def rows(self) -> Iterator[bytes]:
        """Yield every line, or every JSON object where `spans_lines`.

        Raises:
            InputError: The file is damaged; after the last row that was whole.
        """
        while self._ahead:
            self._given += 1
            yield self._ahead.popleft()
        for row in self._rows:
            self._given += 1
            yield row
        self._tell_damage()

    def close(self) -> None:
        """Let go of the file; standard input stays open."""
        if self.name != STANDARD_INPUT:
            self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _chunks(self) -> Iterator[bytes]:
        # What was peeked at; the rest goes round the buffer, which would copy it twice.
        chunk = self._buffer.read1(_CHUNK)
        raw = self._unpacker or self._file
        while chunk:
            # Lines that end in a carriage return alone. In JSON it is nowhere else.
            yield chunk.replace(b"\r", b"\n") if self._carriage else chunk
            chunk = raw.take(_CHUNK)
        self._tell_damage()

    def _tell_damage(self) -> None:
        error = self._file.error or (self._unpacker.error if self._unpacker else None)
        if error is not None:
            reason = _reason(error)
        elif self.size is not None and self._file.count < self.size:
            reason = (
                f"it became shorter while it was read ({self.size:,} bytes when it was opened, "
                f"{self._file.count:,} in the end)"
            )
        else:
            return
        unit = "object" if self.spans_lines else "line"
        raise InputError(
            f"{self.name} is damaged after {unit} {self._given}: {reason}. What came before that "
            f"was read; get a whole copy of it and run this again."
        ) from error

    def _refuse_what_is_no_text(self, probe: bytes) -> None:
        if not probe and self._file.error is None and not self._unpacker_failed:
            raise InputError(f"{self.name} is empty: there is nothing to read.")
        if probe.startswith(_PARQUET):
            raise _ParquetError(f"{self.name} is a Parquet file: name it, for it is read in parts.")
        for magic, kind in _PACKED.items():
            if probe.startswith(magic):
                raise InputError(
                    f"{self.name} is packed with {kind}: unpack it first (gzip and zstd are read)."
                )
        # UTF-32 begins as UTF-16 does, and goes on with two zeros.
        for code, first_bytes in (("UTF-32", _UTF_32), ("UTF-16", _UTF_16)):
            if probe.startswith(first_bytes):
                raise InputError(
                    f"{self.name} is {code} text: convert it first, for example with "
                    f"`iconv -f {code} -t UTF-8`."
                )
        if _is_binary(probe):
            raise InputError(f"{self.name} is a binary file: give text, plain or gzipped.")
        if probe.startswith(b"\xef\xbb\xbf"):
            self._buffer.read(3)

    @property
    def _unpacker_failed(self) -> bool:
        return self._unpacker is not None and self._unpacker.error is not None


class _ParquetError(InputError):
    """The stream is of a file that is read another way."""


class _Steady(io.RawIOBase):
    """Reads until the asked size is full, counts, and holds an error back as an end of file.

    So a `peek` sees as much as its buffer holds, and what came before a damaged place is handed
    out before the damage is told. `read` must not lose data when it fails, as `read` of GzipFile
    does and its `read1` does not.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self.count = 0
        self.error: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view) and (data := self.take(len(view) - filled)):
            view[filled : filled + len(data)] = data
            filled += len(data)
        return filled

    def take(self, size: int) -> bytes:
        """Read at most so many bytes; none at the end, and from an error on."""
        if self.error is not None:
            return b""
        try:
            data = self._read(size)
        except (OSError, EOFError, zlib.error) as error:
            # Its frames would keep alive whoever reads, and so the file open.
            self.error = error.with_traceback(None)
            return b""
        self.count += len(data)
        return data


def open_source(path: str, *, identity: str | None = None) -> Source:
    """Open a log for reading; "-" is standard input. Gzip is told by content, not by name.

    Args:
        path: Path of a file, or "-".
        identity: Stands in for the path in ids that are derived from content, for a log that
            arrives on standard input or under another name each time.

    Raises:
        InputError: The file is missing, unreadable, a directory, empty or binary.
    """
    if path == "-":
        if sys.stdin is None:
            raise InputError("Standard input is closed: name a file.")
        return Source(sys.stdin.buffer, name=STANDARD_INPUT, identity=identity or path)
    name = shown(path)
    try:
        stream = io.FileIO(path)
    except FileNotFoundError as error:
        raise InputError(f"{name} does not exist.") from error
    except IsADirectoryError as error:
        raise InputError(f"{name} is a directory: name the files in it.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{name} cannot be opened: {reason}.") from error
    status = os.fstat(stream.fileno())
    size = status.st_size if stat.S_ISREG(status.st_mode) else None
    identity_of = identity or _resolved(path)
    try:
        return Source(stream, name=name, identity=identity_of, size=size)
    except _ParquetError:
        stream.close()
        return Source(parquet_lines(path, name), name=name, identity=identity_of)
    except BaseException:
        stream.close()
        raise


def source_of(chunks: Iterator[bytes], *, name: str) -> Source:
    """Return lines that no file holds as a source; `name` is its identity, too."""
    return Source(Lines(chunks), name=name, identity=name)


def shown(path: str) -> str:
    """Return a path as it can be printed and stored: bytes that are not UTF-8 as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _resolved(path: str) -> Callable[[], str]:
    # Only logs without ids ask for it, and a directory may hold very many logs.
    return lambda: os.path.realpath(path).removesuffix(".gz")


def _is_binary(probe: bytes) -> bool:
    """Tell a binary file by its NULs: many, or any together with what is not UTF-8.

    A few in what is text else, or in what begins like JSON, are one damaged row of a log.
    """
    if b"\0" not in probe or probe.lstrip()[:1] in (b"{", b"[", b'"'):
        return False
    if probe.count(b"\0") > _MOST_NUL * len(probe):
        return True
    try:
        probe.decode()
    except UnicodeDecodeError as error:
        return error.start < len(probe) - 3  # a character may be cut at the probe's end
    return False


def _reason(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the gzip data ends in the middle"
    if isinstance(error, gzip.BadGzipFile | zlib.error):
        return "the gzip data is corrupt"
    return getattr(error, "strerror", None) or str(error)
