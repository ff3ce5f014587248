"""A file that a user asked a command to write.

It is checked before any work, is written under a random name in its folder, readable by its owner
alone, and takes its own name when it is whole. What is there already is replaced only where its
whole content says that the same command wrote it, or where the user said --force.
"""

from __future__ import annotations

import errno
import gzip
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from routectl.errors import InputError, UsageError, reason_of
from routectl.output.checks import (
    SQLITE_COMPANIONS,
    SQLITE_MAGICS,
    content_of,
    head_of,
    is_same,
    refuse_links_of_others,
)
from routectl.output.own import PRIVATE, new_file

Write = Callable[[bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A file that a command was asked to write."""

    path: Path
    option: str
    """What named it, such as "--output", for the sentences."""
    database: Path | None = None
    """The SQLite file that the command works on."""
    inputs: Sequence[Path] = ()
    """The files that it reads."""
    is_ours: Callable[[bytes], bool] | None = None
    """Tells from the whole content of a file whether all of it was written by the same command;
    None where none can. Of a file that is appended to, its first 4 KB are given."""
    is_appended: bool = False
    """What is there is added to, and so never lost."""
    can_be_forced: bool = True
    """The command has --force, which replaces what is there."""
    force: bool = False
    """Replace a file whatever it holds, unless it is a database or an input."""
    mode: int = PRIVATE
    """Of the file. What is public keeps the mode of the file that it replaces."""
    keeps_part: bool = False
    """What was written is kept also where the command ends with an error."""
    if_it_fails: str = ""
    """The end of the sentence that says why the file could not be written."""

    def check(self) -> None:
        """Refuse what must not be written, or cannot be.

        Raises:
            UsageError: the path must not be written.
            InputError: its folder is missing or cannot be written.
        """
        status = self._status()
        self._refuse_a_guarded_file(status)
        folder = self.path.parent
        refuse_links_of_others(folder, self._name)
        holds_something = status is not None and status.st_size > 0
        if holds_something and not self.force and not self._is_ours():
            way_out = "add --force to replace it" if self.can_be_forced else "remove it"
            raise UsageError(
                f"{self._name} is there already, and its content does not say that this "
                f"command wrote all of it: {way_out}, or name another file"
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            number = errno.EACCES if folder.is_dir() else errno.ENOENT
            raise self._failure(OSError(number, os.strerror(number)))

    @contextmanager
    def writing(self) -> Iterator[Write]:
        """Write the file; gzipped where its name ends in .gz. Without a byte, no file is made.

        Raises:
            UsageError, InputError: as `check`; or it cannot be written, and nothing of it is left.
        """
        self.check()
        file = _Temporary(self)
        try:
            yield file.write
        except BaseException:
            if self.keeps_part:
                with suppress(InputError, UsageError):
                    file.take_its_name()
            raise
        else:
            file.take_its_name()
        finally:
            file.remove()

    def write(self, data: bytes) -> None:
        """Write the whole file at once; raises as `writing`."""
        with self.writing() as write:
            write(data)

    @property
    def _name(self) -> str:
        # An argument is named by its path alone.
        return f"{self.option} {self.path}" if self.option.startswith("-") else str(self.path)

    def _status(self) -> os.stat_result | None:
        """The status of what is there; raises UsageError where it is no plain file."""
        if str(self.path) == "-":
            raise UsageError(
                f"{self._name} names no file, and what is printed needs no name: name a file"
            )
        try:
            status = self.path.lstat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failure(error) from None
        if stat.S_ISLNK(status.st_mode):
            raise UsageError(
                f"{self._name} is a symbolic link, and nothing is written through one: name the "
                "file that it leads to, or another"
            )
        if stat.S_ISDIR(status.st_mode):
            raise UsageError(f"{self._name} is a folder: name a file")
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{self._name} is a device, pipe or socket: name a file")
        return status

    def _refuse_a_guarded_file(self, status: os.stat_result | None) -> None:
        if self.database is not None:
            for suffix in ("", *SQLITE_COMPANIONS):
                if is_same(self.path, status, Path(f"{self.database}{suffix}")):
                    raise UsageError(
                        f"{self._name} would overwrite the database: name another file"
                    )
        for path in self.inputs:
            if is_same(self.path, status, path):
                raise UsageError(
                    f"{self._name} is an input and would be overwritten: name another file"
                )
        for suffix in SQLITE_COMPANIONS:
            if self.path.name.endswith(suffix):
                owner = self.path.with_name(self.path.name.removesuffix(suffix))
                if head_of(owner).startswith(SQLITE_MAGICS[0]):
                    raise UsageError(
                        f"{self._name} belongs to the database {owner}: name another file"
                    )
        if status is not None and head_of(self.path).startswith(SQLITE_MAGICS):
            raise UsageError(f"{self._name} is a SQLite database: name another file")

    def _is_ours(self) -> bool:
        if self.is_ours is None:
            return False
        return self.is_ours(head_of(self.path) if self.is_appended else content_of(self.path))

    def _failure(self, error: OSError) -> InputError:
        return InputError(f"cannot write {self._name}: {reason_of(error)}{self.if_it_fails}")


class _Temporary:
    """A file under a random name in its output's folder, made with its first byte."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._path: Path | None = None
        self._plain: IO[bytes] | None = None
        self._file: IO[bytes] | None = None

    def write(self, data: bytes) -> None:
        if not data:
            return
        try:
            if self._file is None:
                self._path, self._plain = new_file(self._output.path.parent)
                is_packed = self._output.path.suffix == ".gz"
                self._file = _packed(self._plain) if is_packed else self._plain
            self._file.write(data)
        except OSError as error:
            raise self._output._failure(error) from None

    def take_its_name(self) -> None:
        if self._path is None or self._plain is None or self._file is None:
            return
        output = self._output
        # Somebody may have made a file of that name meanwhile.
        output.check()
        try:
            if self._file is not self._plain:
                self._file.close()
            self._plain.flush()
            os.fchmod(self._plain.fileno(), self._mode())
            os.fsync(self._plain.fileno())
            # Before it is closed and so unlocked: else another process may take it for abandoned.
            self._path.replace(output.path)
            self._plain.close()
        except OSError as error:
            raise output._failure(error) from None
        self._path = None

    def remove(self) -> None:
        """Close it, and remove what did not become the output."""
        for file in (self._file, self._plain):
            if file is not None:
                with suppress(OSError):  # a full disk was told already
                    file.close()
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _mode(self) -> int:
        if self._output.mode == PRIVATE:
            return PRIVATE
        try:
            return stat.S_IMODE(self._output.path.stat().st_mode) & 0o777
        except FileNotFoundError:
            return self._output.mode


def _packed(plain: IO[bytes]) -> IO[bytes]:
    # Without a time in it, equal contents are equal files.
    return cast("IO[bytes]", gzip.GzipFile("", "wb", fileobj=plain, mtime=0))
