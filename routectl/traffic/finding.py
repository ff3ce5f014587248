"""Paths, directories and patterns -> the files of an import."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from routectl.errors import InputError


def find_sources(
    paths: Sequence[str], *, on_skip: Callable[[str], None] = lambda sentence: None
) -> list[str]:
    """Return the files that paths name, each once, in the order of the paths.

    - "-" is standard input, and what exists and is no directory is taken as it is, even if its
      name holds `*`, `?` or `[`.
    - A directory stands for the files in it and in its directories, in the order of their paths.
    - A pattern (`*`, `?`, `[...]`, and `**` for any depth) stands for what it matches, in the
      order of names; a directory among that stands for its files.

    In directories and patterns hidden names are passed over, and so is, with a word to `on_skip`,
    what is no file with something in it: sockets, pipes, devices, dangling links, links to
    directories (they may lead in circles), empty files, directories that cannot be listed.

    Args:
        on_skip: Told, in one sentence, of each thing that was passed over and is not hidden.

    Raises:
        InputError: A path that does not exist, a pattern that matches nothing, a named directory
            that cannot be listed, or one or the other without a file in it.
    """
    return list(dict.fromkeys(file for path in paths for file in _named(path, on_skip)))


def _named(path: str, on_skip: Callable[[str], None]) -> list[str]:
    if path == "-":
        return [path]
    if not path:
        raise InputError("the name of a file to read is empty: name a file, a directory or -.")
    status = _status(path)
    if status is not None and not stat.S_ISDIR(status.st_mode):
        return [path]
    if status is None and not glob.has_magic(path):
        raise InputError(f"{path} does not exist.")
    matches = [path]
    if status is None:
        # Path.glob takes no pattern that begins at the root, and shows hidden names.
        matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207
    # A folder that the user named has to be listed; one below it, such as lost+found, does not.
    files = [file for match in matches for file in _files(match, on_skip, named=match == path)]
    if not files and status is None:
        raise InputError(f"No file matches {path}.")
    if not files:
        raise InputError(f"{path} is a directory without a file that could be read.")
    return files


def _files(path: str, on_skip: Callable[[str], None], *, named: bool = False) -> Iterator[str]:
    status = _status(path)
    if status is None or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        on_skip(f"{path} is no file and was passed over")
    elif stat.S_ISREG(status.st_mode):
        if status.st_size:
            yield path
        else:
            on_skip(f"{path} is empty and was passed over")
    else:
        try:
            with os.scandir(path) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if named:
                raise InputError(f"{path} cannot be listed: {error.strerror}.") from error
            on_skip(f"{path} cannot be listed ({error.strerror}) and was passed over")
            return
        for entry in inside:
            if entry.name.startswith("."):
                continue
            if entry.is_symlink() and _leads_to_a_directory(entry):
                on_skip(f"{entry.path} is a link to a directory and was passed over")
            else:
                yield from _files(entry.path, on_skip)


def _leads_to_a_directory(link: os.DirEntry[str]) -> bool:
    """Whether a link does; one that leads in a circle, or nowhere, does not."""
    status = _status(link.path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _status(path: str) -> os.stat_result | None:
    """Return what a path leads to; None where it leads nowhere."""
    try:
        return Path(path).stat()
    except (OSError, ValueError):
        return None
