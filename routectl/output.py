"""Every file and folder that a command writes is opened here, and nowhere else.

An output is checked before any work: it is never a database or an input, under any of their names,
never a device, pipe, socket or folder, and never reached through a link that somebody else may have
laid. It is written under a random name in its folder, readable by its owner alone, and takes its
own name when it is whole. What is there already is replaced only where its content says that the
same command wrote it, or where the user said --force.
"""

from __future__ import annotations

import errno
import fcntl
import gzip
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from routectl.errors import InputError, UsageError, reason_of

Write = Callable[[bytes], None]

PRIVATE = 0o600
"""The mode of what may hold prompts."""
PUBLIC = 0o644
_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PARTIAL = re.compile(r"\.routectl-[0-9a-f]{16}\.partial")
_HEAD_BYTES = 4096
"""How much of a file says which command wrote it."""
# https://www.sqlite.org/fileformat2.html: the headers of a database, its journal and its log.
_SQLITE_MAGICS = (
    b"SQLite format 3\x00",
    b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7",
    b"\x37\x7f\x06\x82",
    b"\x37\x7f\x06\x83",
)
_SQLITE_COMPANIONS = ("-wal", "-shm", "-journal")


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
    """Tells from a file's first 4 KB whether the same command wrote it; None where none can."""
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
        _refuse_links_of_others(folder, self._name)
        holds_something = status is not None and status.st_size > 0
        if holds_something and not self.force and not self._is_ours():
            way_out = "add --force to replace it" if self.can_be_forced else "remove it"
            raise UsageError(
                f"{self._name} is there already, and its content does not say that this "
                f"command wrote it: {way_out}, or name another file"
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
            for suffix in ("", *_SQLITE_COMPANIONS):
                if _is_same(self.path, status, Path(f"{self.database}{suffix}")):
                    raise UsageError(
                        f"{self._name} would overwrite the database: name another file"
                    )
        for path in self.inputs:
            if _is_same(self.path, status, path):
                raise UsageError(
                    f"{self._name} is an input and would be overwritten: name another file"
                )
        for suffix in _SQLITE_COMPANIONS:
            if self.path.name.endswith(suffix):
                owner = self.path.with_name(self.path.name.removesuffix(suffix))
                if _head_of(owner).startswith(_SQLITE_MAGICS[0]):
                    raise UsageError(
                        f"{self._name} belongs to the database {owner}: name another file"
                    )
        if status is not None and self._head().startswith(_SQLITE_MAGICS):
            raise UsageError(f"{self._name} is a SQLite database: name another file")

    def _is_ours(self) -> bool:
        return self.is_ours is not None and self.is_ours(self._head())

    def _head(self) -> bytes:
        return _head_of(self.path)

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


def new_file(folder: Path) -> tuple[Path, IO[bytes]]:
    """A new file with a random name that only its owner can read; raises OSError.

    It is locked until it is closed, and those of processes that were killed are removed first.
    """
    _remove_abandoned(folder)
    while True:
        path = folder / f".routectl-{secrets.token_hex(8)}.partial"
        file = os.fdopen(os.open(path, _NEW | os.O_WRONLY, PRIVATE), "wb")
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        # Before it was locked, another process may have taken it for an abandoned one.
        if path.exists():
            return path, file
        file.close()


def _remove_abandoned(folder: Path) -> None:
    """Remove the files of `new_file` that no process holds any more."""
    for path in folder.glob(".routectl-*.partial"):
        if _PARTIAL.fullmatch(path.name) is None:
            continue
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                status = os.fstat(descriptor)
                if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid():
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
            finally:
                os.close(descriptor)


def _is_same(path: Path, status: os.stat_result | None, other: Path) -> bool:
    """Whether two paths are one file: by their names, or by a hard link."""
    if os.path.realpath(path) == os.path.realpath(other):
        return True
    if status is None:
        return False
    try:
        return os.path.samestat(status, other.stat())
    except (OSError, ValueError):
        return False


def _head_of(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            # Nothing is read from a device.
            is_plain = stat.S_ISREG(os.fstat(descriptor).st_mode)
            return file.read(_HEAD_BYTES) if is_plain else b""
    except OSError:
        return b""


def _refuse_links_of_others(folder: Path, name: str) -> None:
    """Refuse a path through a link that neither this user nor the administrator has laid.

    Raises:
        UsageError: there is one.
    """
    whole = Path(os.path.abspath(folder))  # noqa: PTH100 - `resolve` would follow the links
    for part in (whole, *whole.parents):
        try:
            status = part.lstat()
        except OSError:
            continue
        if stat.S_ISLNK(status.st_mode) and status.st_uid not in (0, os.geteuid()):
            raise UsageError(
                f"{name} leads through {part}, a symbolic link of another user: name the folder "
                "that it leads to"
            )


# Folders


def check_folder(folder: Path, option: str) -> None:
    """Refuse a path as the folder for outputs, whether it is there or will be made.

    Raises:
        UsageError: it is no folder, or leads through a link of another user.
    """
    name = f"{option} {folder}"
    _refuse_links_of_others(folder, name)
    if os.path.lexists(folder) and not folder.is_dir():
        raise UsageError(f"{name} is there already and no folder: name another")


def check_new_folder(folder: Path, option: str) -> None:
    """Refuse a path for a new folder that is a link, or leads through one of another user.

    Raises:
        UsageError: it is.
    """
    name = f"{option} {folder}"
    if folder.is_symlink():
        raise UsageError(f"{name} is a symbolic link: name the folder that it leads to")
    _refuse_links_of_others(folder.parent, name)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder and those above it, where they are missing; raises OSError."""
    folder.mkdir(mode=mode, parents=True, exist_ok=True)


@contextmanager
def new_folder(folder: Path, mode: int = 0o755) -> Iterator[Path]:
    """A new folder that takes its name when it is whole, in place of an empty one.

    Yields:
        Where it lies until then, for `write_in` or a library that writes by itself.

    Raises:
        OSError: it cannot be written, or is there and not empty; nothing of it is left.
    """
    make_folder(folder.parent)
    temporary = Path(tempfile.mkdtemp(prefix=".routectl-", suffix=".partial", dir=folder.parent))
    try:
        yield temporary
        temporary.chmod(mode)
        if folder.exists():
            folder.rmdir()
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_in(folder: Path, name: str, data: bytes) -> None:
    """Write a file of a folder that `new_folder` made; raises OSError."""
    path = folder / name
    make_folder(path.parent)
    with os.fdopen(os.open(path, _NEW | os.O_WRONLY, PUBLIC), "wb") as file:
        file.write(data)


# Files whose names are routectl's own: kept work, locks, copies, the database


def own_folder(folder: Path) -> None:
    """Make or take up a folder of kept work, never through a link.

    Raises:
        OSError: it cannot be made, or is something else.
    """
    if folder.is_symlink():
        raise OSError(errno.ELOOP, "it is a symbolic link")
    make_folder(folder, 0o700)


def open_kept(path: Path) -> IO[bytes]:
    """Open a file of kept work to read and append, made where there is none; never through a link.

    Raises:
        OSError: it cannot be opened, or is no plain file.
    """
    flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, PRIVATE)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no plain file")
    return os.fdopen(descriptor, "r+b")


def append_line(path: Path, line: bytes) -> None:
    """Append to a log in one write, so that several processes may; never through a link.

    It is opened anew for each line: a file that was moved away is followed by a new one.

    Raises:
        OSError: it cannot be written, or is no plain file.
    """
    flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, PRIVATE)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def replace_own(path: Path, data: bytes) -> None:
    """Write a file of kept work, whole or not at all; raises OSError."""
    temporary, file = new_file(path.parent)
    try:
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)  # while it is locked
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def make_private(path: Path) -> bool:
    """Make an empty file that only its owner can read; False where something is there already.

    Raises:
        OSError: it cannot be made.
    """
    try:
        os.close(os.open(path, _NEW | os.O_WRONLY, PRIVATE))
    except FileExistsError:
        return False
    return True


def keep_copy(fill: Callable[[Path], None], names: Iterable[Path]) -> Path:
    """Write a copy under the first name at which nothing is.

    Args:
        fill: writes the copy into the empty private file that it is given.
        names: in one folder, tried in turn.

    Raises:
        OSError: it cannot be written; nothing of it is left.
    """
    names = iter(names)
    name = next(names)
    temporary, file = new_file(name.parent)
    with file:  # and so locked
        try:
            fill(temporary)
            while not make_private(name):
                name = next(names)
            temporary.replace(name)  # the empty file of just now
        finally:
            temporary.unlink(missing_ok=True)
    return name


def link_folder(path: Path, folder: Path) -> None:
    """Lay a link of routectl's own to a folder, over one that leads nowhere; raises OSError."""
    if path.is_symlink() and not path.exists():
        path.unlink()
    path.symlink_to(folder, target_is_directory=True)


def remove_file(path: Path) -> None:
    """Remove a file of routectl's own, if it is there; raises OSError."""
    path.unlink(missing_ok=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder of routectl's own with all that is in it, as far as that can be done."""
    shutil.rmtree(folder, ignore_errors=True)
