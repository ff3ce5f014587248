"""Small files that somebody names: policies, configurations, records to check."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

LARGEST = 16 * 2**20
"""Bytes. What is larger is none of these, and a device may never end."""


def read_document(path: Path) -> bytes:
    """The content of a file.

    Raises:
        OSError: it cannot be read, is no plain file (a FIFO would be waited for), or is too large;
            `strerror` says which.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file", str(path))
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise OSError(errno.EFBIG, f"it is larger than {LARGEST // 2**20} MiB", str(path))
    return data
