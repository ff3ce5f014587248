"""Paths, directories and patterns -> the files of an import."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence

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
    directories (they may lead in circles), empty files.

    Args:
        on_skip: Told, in one sentence, of each thing that was passed over and is not hidden.

    Raises:
        InputError: A path that does not exist, a pattern that matches nothing, a directory that
            cannot be listed, or one or the other without a file in it.
    """
    return list(dict.fromkeys(file for path in paths for file in _named(path, on_skip)))


def _named(path: str, on_skip: Callable[[str], None]) -> list[str]:
    if path == "-" or (os.path.lexists(path) and not os.path.isdir(path)):
        return [path]
    if os.path.isdir(path):
        found = list(_files_in(path, on_skip))
        if not found:
            raise InputError(f"{path} is a directory without a file that could be read.")
        return found
    if not glob.has_magic(path):
        raise InputError(f"{path} does not exist.")
    found = [
        file
        for match in sorted(glob.glob(path, recursive=True))
        for file in (_files_in(match, on_skip) if os.path.isdir(match) else _file(match, on_skip))
    ]
    if not found:
        raise InputError(f"No file matches {path}.")
    return found


def _files_in(directory: str, on_skip: Callable[[str], None]) -> Iterator[str]:
    try:
        with os.scandir(directory) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{directory} cannot be listed: {error.strerror}.") from error
    for entry in listed:
        if entry.name.startswith("."):
            continue
        if not entry.is_dir():
            yield from _file(entry.path, on_skip)
        elif entry.is_symlink():
            on_skip(f"{entry.path} is a link to a directory and was passed over")
        else:
            yield from _files_in(entry.path, on_skip)


def _file(path: str, on_skip: Callable[[str], None]) -> Iterator[str]:
    if not os.path.isfile(path):
        on_skip(f"{path} is no file and was passed over")
    elif not os.path.getsize(path):
        on_skip(f"{path} is empty and was passed over")
    else:
        yield path
