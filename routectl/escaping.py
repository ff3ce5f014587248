"""Text from outside as what it may be shown as: on a terminal, in JSON, in Markdown, in pictures.

Logs, checkpoints, model answers, notes and file names hold any text: sequences that a terminal
carries out, line breaks that forge a line, characters that reorder or hide others. Everything that
is neither a visible character nor a space is shown as its escape, so nothing is lost and nothing
acts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from unicodedata import category


def visible(text: str) -> str:
    r"""Text for one line of a terminal, a table's cell or a picture.

    Controls (C0, C1, DEL), line and paragraph separators, format characters (bidirectional controls
    and isolates, zero-width characters, tags), surrogates, private and unassigned characters become
    `\n`, `\x1b`, `\u202e` or `\U000e0041`, as Python writes them. All else stays.
    """
    return _escaped(text, _python_escape)


def visible_json(document: str) -> str:
    r"""The same for a JSON document without escapes: as `\u001b`, which a reader of JSON undoes.

    Line feeds between its values stay; within its strings there are none.
    """
    lines = document.split("\n")
    return "\n".join(_escaped(line, _json_escape) for line in lines)


def quoted_names(names: Iterable[str], most: int) -> str:
    """Names of columns or keys of a file, as far as an error may quote them.

    Where a file is not what it was taken for, its first line may be a prompt, and be taken for
    names. So only what is one short word is quoted, and `most` of those.
    """
    taken = list(islice(names, most + 1))
    quoted = [name if _NAME.fullmatch(name) else "..." for name in map(str, taken[:most])]
    return ", ".join([*quoted, "..."] if len(taken) > most else quoted) or "none"


def first_names(names: Sequence[str], most: int = 8) -> str:
    """The first of names, and how many more there are: a database may have thousands."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


_NAME = re.compile(r"[\w.:/@()=+-]{1,48}")


def markdown(text: str) -> str:
    """Text within a line or a table's cell of Markdown, of which nothing is read as markup."""
    escaped = "".join(f"\\{c}" if c in _MARKUP else c for c in visible(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;")


def markdown_code(text: str) -> str:
    """Text as code within a line or a table's cell of Markdown."""
    shown = visible(text).replace("|", "\\|")
    longest = run = 0
    for character in shown:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    if not longest:
        return f"`{shown}`" if shown else ""
    fence = "`" * (longest + 1)
    return f"{fence} {shown} {fence}"


_MARKUP = frozenset("\\`*[]|~")


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    if text.isprintable():
        return text
    return "".join(
        character
        # Spaces of other widths are no "printable" characters to Python, and do no harm.
        if character.isprintable() or category(character) == "Zs"
        else escape(character)
        for character in text
    )


def _python_escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
