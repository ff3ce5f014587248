"""Writing a file that a running proxy may be reading."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from routectl.errors import RoutectlError


def write_atomically(path: Path, text: str) -> None:
    """Replace a file by `text`, whole or not at all; keeps the mode of what was there.

    Raises:
        RoutectlError: the folder is missing or cannot be written.
    """
    target = path.resolve()  # a link stays a link
    try:
        mode = target.stat().st_mode & 0o777 if target.exists() else None
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(mode if mode is not None else 0o644)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RoutectlError(f"cannot write {path}: {error.strerror}") from None
