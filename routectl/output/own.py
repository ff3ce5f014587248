"""Files and folders whose names are routectl's own: new and kept work, locks, copies, the database.

Nobody named their paths, so nothing of them is asked of a user; they are never opened through a
link.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

PRIVATE = 0o600
"""The mode of what may hold prompts."""
PUBLIC = 0o644
_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PARTIAL = re.compile(r"\.routectl-[0-9a-f]{16}\.partial")


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

    There is no buffer: a write that fails is not tried again on closing.

    Raises:
        OSError: it cannot be opened, or is no plain file.
    """
    flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, PRIVATE)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no plain file")
    return os.fdopen(descriptor, "r+b", buffering=0)


def append_line(path: Path, line: bytes) -> None:
    """Append to a log in one write, so that several processes may; never through a link.

    It is opened anew for each line: a file that was moved away is followed by a new one. Half a
    line that a full disk or a crash left is ended first, so that it spoils no other.

    Raises:
        OSError: it cannot be written whole, or is no plain file.
    """
    flags = os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, PRIVATE)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
        if status.st_size and os.pread(descriptor, 1, status.st_size - 1) != b"\n":
            line = b"\n" + line
        if os.write(descriptor, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
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
