"""A log as lines of bytes: a file or standard input, plain or gzip, read once and in bounded
memory."""

from __future__ import annotations

import gzip
import io
import os
import sys
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from routectl.errors import InputError

MAX_LINE = 64 * 2**20
"""Longest line that is read, in bytes. A chat with inline images stays well below it."""
KEPT_OF_LONG_LINE = 2**16
"""How much of a longer line is kept for the reject file, in bytes."""
HEAD_BYTES = 2**20
"""The head of a log, for sniffing, ends after the line that passes this many bytes."""
HEAD_LINES = 1000
STANDARD_INPUT = "standard input"
_CHUNK = 2**18
_BINARY_PROBE = 8000
"""A NUL within this many bytes makes a file binary; the rule and the number are git's."""

_PACKED = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    """1-based."""
    raw: bytes
    """Without the line end."""
    too_long: bool = False
    """The line passed `MAX_LINE`; `raw` holds its beginning."""


class Source:
    """One log, opened. Iterate `lines` once; `head` may be asked before.

    Attributes:
        name: What the user called it, for messages.
        identity: What its rows' ids are derived from where the log has no ids: the resolved path
            without a trailing `.gz`, so that packing a log does not change them, or "-".
        size: Bytes on disk, packed as they are; None where unknown.
    """

    def __init__(
        self, stream: IO[bytes], *, name: str, identity: str, size: int | None = None
    ) -> None:
        self.name = name
        self.identity = identity
        self.size = size
        self._stream = stream
        self._file = _Steady(stream.read)
        packed = io.BufferedReader(self._file, _CHUNK)
        magic = packed.peek(2)[:2]
        self._unpacker = (
            _Steady(gzip.GzipFile(fileobj=packed).read1) if magic == b"\x1f\x8b" else None
        )
        self._buffer = io.BufferedReader(self._unpacker, _CHUNK) if self._unpacker else packed
        self._ahead: deque[Line] = deque()
        self._number = 0
        self._refuse_what_is_no_text()

    @property
    def bytes_read(self) -> int:
        """Bytes taken from the file so far; comparable with `size`."""
        return self._file.count

    def head(self) -> list[bytes]:
        """Return the first lines that are not blank, without consuming them.

        Raises:
            InputError: There is none.
        """
        size = sum(len(line.raw) for line in self._ahead)
        while len(self._ahead) < HEAD_LINES and size < HEAD_BYTES:
            line = self._next_line()
            if line is None:
                break
            size += len(line.raw)
            self._ahead.append(line)
        head = [line.raw for line in self._ahead if not line.too_long and line.raw.strip()]
        if not head:
            self._tell_damage()
            raise InputError(f"{self.name} begins with nothing that could be read.")
        return head

    def lines(self) -> Iterator[Line]:
        """Yield every line.

        Raises:
            InputError: The file is damaged; after the last line that was whole.
        """
        while self._ahead:
            yield self._ahead.popleft()
        while (line := self._next_line()) is not None:
            yield line
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

    def _next_line(self) -> Line | None:
        raw = self._buffer.readline(MAX_LINE + 1)
        ended = raw.endswith(b"\n")
        if not raw or (self._damage is not None and not ended):
            return None
        self._number += 1
        if len(raw) > MAX_LINE and not ended:
            while (rest := self._buffer.readline(_CHUNK)) and not rest.endswith(b"\n"):
                pass
            return Line(self._number, raw[:KEPT_OF_LONG_LINE], too_long=True)
        return Line(self._number, raw.removesuffix(b"\n").removesuffix(b"\r") if ended else raw)

    @property
    def _damage(self) -> Exception | None:
        return self._file.error or (self._unpacker.error if self._unpacker else None)

    def _tell_damage(self) -> None:
        if self._damage is not None:
            raise InputError(
                f"{self.name} is damaged after line {self._number}: {_reason(self._damage)}. "
                f"The lines before that were read; get a whole copy of it and run this again."
            ) from self._damage

    def _refuse_what_is_no_text(self) -> None:
        probe = self._buffer.peek(_BINARY_PROBE)[:_BINARY_PROBE]
        if not probe and self._damage is None:
            raise InputError(f"{self.name} is empty: there is nothing to import.")
        for magic, kind in _PACKED.items():
            if probe.startswith(magic):
                raise InputError(
                    f"{self.name} is packed with {kind}: unpack it first (gzip is read)."
                )
        if probe.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise InputError(
                f"{self.name} is UTF-16 text: convert it first, for example with "
                f"`iconv -f UTF-16 -t UTF-8`."
            )
        if b"\0" in probe:
            raise InputError(f"{self.name} is a binary file, not a log of requests.")
        if probe.startswith(b"\xef\xbb\xbf"):
            self._buffer.read(3)


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
        while filled < len(view) and self.error is None:
            try:
                data = self._read(len(view) - filled)
            except (OSError, EOFError, zlib.error) as error:
                self.error = error
                break
            if not data:
                break
            view[filled : filled + len(data)] = data
            filled += len(data)
        self.count += filled
        return filled


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
    file = Path(path)
    try:
        if file.is_dir():
            raise InputError(f"{path} is a directory: name the files in it.")
        stream = file.open("rb", buffering=0)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be opened: {reason}.") from error
    status = os.fstat(stream.fileno())
    size = status.st_size if file.is_file() else None
    try:
        resolved = str(file.resolve()).removesuffix(".gz")
        return Source(stream, name=path, identity=identity or resolved, size=size)
    except BaseException:
        stream.close()
        raise


def _reason(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the gzip data ends in the middle"
    if isinstance(error, gzip.BadGzipFile | zlib.error):
        return "the gzip data is corrupt"
    return getattr(error, "strerror", None) or str(error)
