"""Prompts for models to answer: from files, and draws that do not depend on their order."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from routectl.errors import InputError
from routectl.extraction import extract
from routectl.training.contamination import read_benchmark_prompts

_TEXT = (".txt", ".txt.gz")


def read_prompts(paths: Sequence[Path]) -> list[str]:
    """The distinct prompts of files, in their order.

    A file whose name ends in .txt (or .txt.gz) holds one prompt a line; every other one is a table
    (CSV, JSON Lines, a JSON list; plain or gzipped) with a column `prompt`, or `turns`, of which
    the first counts.

    Raises:
        InputError: a file cannot be read, or holds no prompt.
    """
    found: dict[str, None] = {}
    for path in paths:
        lines = _lines(path) if path.name.endswith(_TEXT) else read_benchmark_prompts(path)
        if not lines:
            raise InputError(f"{path} holds no prompt.")
        found.update(dict.fromkeys(lines))
    return list(found)


def draw(prompts: Iterable[str], size: int | None, seed: int) -> list[str]:
    """Prompts drawn at random, each as likely as any other, in the order of the draw.

    The prompts of the smallest keyed digests: a draw of fewer is the beginning of a draw of more,
    and neither the order of the prompts nor others among them that were not drawn change it.

    Args:
        size: None takes all.
    """
    ordered = sorted(prompts, key=lambda text: hashlib.sha256(f"{seed}\0{text}".encode()).digest())
    return ordered if size is None else ordered[:size]


def _lines(path: Path) -> list[str]:
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"There is no file {path}; check the path.") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError(f"{path} is a damaged or truncated gzip file.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    # Not splitlines: a prompt may hold other line separators of Unicode.
    prompts = (extract(line.removesuffix("\r")) for line in text.split("\n"))
    return [prompt for prompt in prompts if prompt is not None]
