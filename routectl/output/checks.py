"""What must not be written: paths are looked at, and nothing is opened for writing here."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from routectl.errors import UsageError

_HEAD_BYTES = 4096
_MOST_BYTES = 16 * 2**20
"""Of a file that a command replaces because it wrote it; what is larger, none did."""
# https://www.sqlite.org/fileformat2.html: the headers of a database, its journal and its log.
SQLITE_MAGICS = (
    b"SQLite format 3\x00",
    b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7",
    b"\x37\x7f\x06\x82",
    b"\x37\x7f\x06\x83",
)
SQLITE_COMPANIONS = ("-wal", "-shm", "-journal")


def is_same(path: Path, status: os.stat_result | None, other: Path) -> bool:
    """Whether two paths are one file: by their names, or by a hard link."""
    if os.path.realpath(path) == os.path.realpath(other):
        return True
    if status is None:
        return False
    try:
        return os.path.samestat(status, other.stat())
    except (OSError, ValueError):
        return False


def head_of(path: Path) -> bytes:
    """The first 4 KB of a plain file; nothing of what is none, or cannot be read."""
    return _read(path, _HEAD_BYTES)


def content_of(path: Path) -> bytes:
    """A whole plain file; nothing of what is none, cannot be read, or is larger than 16 MiB."""
    content = _read(path, _MOST_BYTES + 1)
    return content if len(content) <= _MOST_BYTES else b""


def _read(path: Path, size: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            # Nothing is read from a device.
            is_plain = stat.S_ISREG(os.fstat(descriptor).st_mode)
            return file.read(size) if is_plain else b""
    except OSError:
        return b""


def refuse_links_of_others(folder: Path, name: str) -> None:
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


def check_folder(folder: Path, option: str) -> None:
    """Refuse a path as the folder for outputs, whether it is there or will be made.

    Raises:
        UsageError: it is no folder, or leads through a link of another user.
    """
    name = f"{option} {folder}"
    refuse_links_of_others(folder, name)
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
    refuse_links_of_others(folder.parent, name)
