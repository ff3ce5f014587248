"""Prompts for models to answer: from files, and draws that do not depend on their order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from routectl.errors import InputError
from routectl.extraction import extract
from routectl.preferences.battles import battle_reader, no_battles, read_battles
from routectl.preferences.contamination import read_benchmark_prompts
from routectl.preferences.gold import GoldRow, gold_reader, read_gold
from routectl.records import Battle, Condition
from routectl.tables import open_table
from routectl.traffic.source import open_source
from routectl.traffic.splitting import Cut

_TEXT = (".txt", ".txt.gz")


def read_prompts(paths: Sequence[Path]) -> list[str]:
    """The distinct prompts of files, in their order.

    A file whose name ends in .txt (or .txt.gz) holds one prompt a line; every other one is a table
    (CSV, JSON Lines, a JSON list; plain or gzipped) with a column `prompt`, or `turns`, of which
    the first counts.

    Raises:
        InputError: a file cannot be read, or holds no prompt.
    """
    prompts: dict[str, None] = {}
    for path in paths:
        lines = _lines(path) if path.name.endswith(_TEXT) else read_benchmark_prompts(path)
        if not lines:
            raise InputError(f"{path} holds no prompt.")
        prompts.update(dict.fromkeys(lines))
    return list(prompts)


def read_training_prompts(paths: Sequence[Path], conditions: Sequence[Condition] = ()) -> list[str]:
    """The distinct prompts of files of battles or gold labels, in their order.

    Args:
        conditions: on the columns of a row, as `tables.keep`.

    Raises:
        InputError: a file cannot be read, holds neither, or no row meets the conditions.
    """
    prompts: dict[str, None] = {}
    for path in paths:
        columns = open_table(path, on_reject=lambda reject: None).columns
        rows: Iterator[Battle | GoldRow]
        if battle_reader(path, columns) is not None:
            rows = read_battles(path, conditions)
        elif gold_reader(columns) is not None:
            rows = read_gold(path, conditions)
        else:
            raise InputError(no_battles(path, columns))
        prompts.update(dict.fromkeys(row.prompt for row in rows))
    if not prompts:
        raise InputError(f"{', '.join(map(str, paths))}: no row meets the conditions.")
    return list(prompts)


def draw(prompts: Iterable[str], size: int | None, seed: int) -> list[str]:
    """Prompts drawn at random, each as likely as any other, in the order of the draw.

    The prompts of the smallest keyed digests: a draw of fewer is the beginning of a draw of more,
    and neither the order of the prompts nor others among them that were not drawn change it.

    Args:
        size: None takes all.
    """
    ordered = sorted(prompts, key=lambda text: draw_key(text, seed))
    return ordered if size is None else ordered[:size]


def draw_key(prompt: str, seed: int) -> bytes:
    """A prompt's random key: 32 bytes, uniform over prompts; the smallest are drawn first."""
    return hashlib.sha256(f"{seed}\0{prompt}".encode()).digest()


def _lines(path: Path) -> list[str]:
    prompts = []
    with open_source(str(path)) as source:
        for number, line in enumerate(source.lines(), start=1):
            try:
                prompt = extract(line.removesuffix(b"\r").decode())
            except UnicodeDecodeError:
                raise InputError(f"{path}, line {number}: not UTF-8 text.") from None
            if isinstance(line, Cut):
                raise InputError(f"{path}, line {number}: too long to be one prompt.")
            if prompt is not None:
                prompts.append(prompt)
    return prompts
