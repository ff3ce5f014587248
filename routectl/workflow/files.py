"""Files that commands write: whole or not at all, and readable by their owner alone."""

from __future__ import annotations

import errno
import gzip
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, cast

from routectl.errors import InputError, UsageError
from routectl.store.failures import reason_of

Write = Callable[[bytes], None]


@contextmanager
def new_file(path: Path, *, overwrite: bool) -> Iterator[Write]:
    """Write a file that takes its name when it is whole; gzipped where its name ends in .gz.

    Raises:
        UsageError: it is there, and is not to be overwritten.
        InputError: it cannot be written; nothing of it is left.
    """
    if path.exists() and not overwrite:
        raise UsageError(f"{path} is there already: add --overwrite, or name another file")
    partial = path.with_name(f"{path.name}.partial")
    try:
        # It may hold prompts: only the owner may read it.
        plain = os.fdopen(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb")
        with plain, _packed(plain) if path.suffix == ".gz" else nullcontext(plain) as file:
            yield lambda data: cast("None", file.write(data))
        partial.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {reason_of(error)}") from None
    finally:
        partial.unlink(missing_ok=True)


def _packed(plain: IO[bytes]) -> IO[bytes]:
    # Without a time in it, equal contents are equal files.
    return cast("IO[bytes]", gzip.GzipFile("", "wb", fileobj=plain, mtime=0))


@contextmanager
def rejects_file(path: Path, inputs: Sequence[Path]) -> Iterator[Write]:
    """Write lines that could not be read to the file of `--rejects`, each at once.

    Raises:
        UsageError: it would overwrite an input.
        InputError: it cannot be written.
    """
    if any(path.resolve() == input_path.resolve() for input_path in inputs):
        raise UsageError(f"--rejects {path} would overwrite an input: name another file")

    @contextmanager
    def refusals() -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(
                f"cannot write --rejects {path}: {reason_of(error)}; what was imported is kept"
            ) from None

    with refusals():
        file = os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb", 0)

    def write(line: bytes) -> None:
        with refusals():
            if file.write(line + b"\n") <= len(line):
                raise OSError(errno.ENOSPC, "only a part could be written")

    with file:
        yield write
