"""Prompts that an evaluation excludes, because a router may have been trained on them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from routectl.errors import InputError
from routectl.extraction import extract
from routectl.tables import read_rows

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Prompts to leave out, by their texts or by the digests of these."""

    prompts: frozenset[str]
    digests: frozenset[str]

    @classmethod
    def of(cls, files: Sequence[Path]) -> Exclusions:
        """Those that files list: a table with a column `prompt` or `eval_prompt`, or a .txt with
        the SHA-256 of a prompt's UTF-8 text a line, in hexadecimal.

        Raises:
            InputError: a file cannot be read, or lists no prompts.
        """
        prompts, digests = set[str](), set[str]()
        for path in files:
            if path.suffix == ".txt":
                digests.update(_digests(path))
            else:
                prompts.update(_listed(path))
        return cls(frozenset(prompts), frozenset(digests))

    def holds(self, texts: Sequence[str]) -> bool:
        """Whether one of a row's turns is among them."""
        return any(text in self.prompts for text in texts) or (
            bool(self.digests)
            and any(hashlib.sha256(text.encode()).hexdigest() in self.digests for text in texts)
        )


def _listed(path: Path) -> Iterator[str]:
    columns, rows = read_rows(path)
    column = next((name for name in ("eval_prompt", "prompt") if name in columns), None)
    if column is None:
        raise InputError(
            f"{path} lists no prompts to leave out: it has neither a column prompt nor eval_prompt"
        )
    for row in rows:
        prompt = extract(row.text(column))
        if prompt is not None:
            yield prompt


def _digests(path: Path) -> Iterator[str]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path} cannot be read as a list of digests") from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            if not _DIGEST.fullmatch(line.strip()):
                raise InputError(
                    f"{path}, line {number}: not the SHA-256 of a prompt in hexadecimal"
                )
            yield line.strip()
