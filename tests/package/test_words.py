"""Names say what they hold, and sentences are in plain words that other projects use, too."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "routectl"

EMPTY_WORDS = frozenset({"found", "known", "each", "works"})


def names_in(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of everything that a module names: variables, parameters, attributes."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case (
                ast.Name(id=name, ctx=ast.Store())
                | ast.Attribute(attr=name, ctx=ast.Store())
                | ast.arg(arg=name)
                | ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ExceptHandler(name=str(name))
                | ast.alias(asname=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
            ):
                yield node.lineno, name


def empty_words_in(source: str) -> list[tuple[int, str]]:
    return sorted((line, name) for line, name in names_in(source) if name in EMPTY_WORDS)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("found = 1", "found"),
        ("known: int = 1", "known"),
        ("first, (second, each) = 1, (2, 3)", "each"),
        ("if works := 1: pass", "works"),
        ("for each in []: pass", "each"),
        ("with open('x') as found: pass", "found"),
        ("[1 for each in []]", "each"),
        ("def f(known): pass", "known"),
        ("def f(*, known=1): pass", "known"),
        ("f = lambda each: 1", "each"),
        ("class A:\n    found: int", "found"),
        ("self.found = 1", "found"),
        ("class A:\n    @property\n    def known(self): pass", "known"),
        ("import numpy as works", "works"),
    ],
)
def test_an_empty_word_is_seen_wherever_it_is_a_name(source: str, name: str) -> None:
    assert [word for _, word in empty_words_in(source)] == [name]


@pytest.mark.parametrize("source", ["found_at = 1", "f('each')", "f(x.found)", "# known"])
def test_other_names_and_texts_pass(source: str) -> None:
    assert empty_words_in(source) == []


def test_no_name_in_the_package_is_an_empty_word() -> None:
    places = [
        f"{path.relative_to(PACKAGE)}:{line} {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, name in empty_words_in(path.read_text(encoding="utf-8"))
    ]
    assert places == []


_SPACE = r"\s+(?:# |[\"'] *\n *f?[\"'])?"
"""Between two words: a blank, or the end of a line of a text, of a comment or of a literal."""

IDIOMS = {
    "beside": r"beside",
    "held back": rf"held{_SPACE}back",
    "kinds of prompts": rf"kinds?{_SPACE}of{_SPACE}prompts?",
    "made of": rf"(?:made|makes?){_SPACE}of",
    "marks": r"mark(?:s|ed)?",
    "stands": rf"st(?:ands?|anding|ood)(?!{_SPACE}(?:for|in{_SPACE}for)\b|-ins?\b)",
    "surely": r"surely",
}
"""Words that say in a riddle what a plain word says: next to, an extra feature; the regularisation
strength; clusters; computed from, consists of; scores; is in; significantly."""

ALLOWED: dict[str, set[str]] = {
    "CONTRIBUTING.md": {"marks"},  # of pytest
    "docs/formats.md": {"marks"},  # of the order of bytes
    "docs/writing-a-router.md": {"marks"},  # of questions
    "examples/traffic_settings.py": {"marks"},  # of exclamation
    "routectl/judging/verdicts.py": {"stands"},  # what judges are asked changes no more
    "routectl/routers/causal_model.py": {"beside"},  # a tensor's name
    "routectl/traffic/rows.py": {"marks"},  # of the order of bytes
    "routectl/traffic/splitting.py": {"marks"},
}
"""Where a word of `IDIOMS` means something else, or is part of a text that is kept as it is."""

TEXTS = sorted(
    path
    for folder in (".", "docs", "routectl/**", "benchmarks", "examples", "research")
    for path in ROOT.glob(f"{folder}/*.*")
    if path.suffix in (".md", ".py", ".sh") and "checkpoints" not in path.parts
)


def idioms_in(text: str) -> list[tuple[int, str]]:
    """Line and idiom of each sentence of ours that uses one."""
    return sorted(
        (text.count("\n", 0, match.start()) + 1, idiom)
        for idiom, pattern in IDIOMS.items()
        for match in re.finditer(rf"\b{pattern}\b", text, re.IGNORECASE)
    )


@pytest.mark.parametrize(
    ("text", "idiom"),
    [
        ("It lies beside it.", "beside"),
        ("Beside it", "beside"),
        ("how strongly it is held\nback", "held back"),
        ("# it is held\n    # back", "held back"),
        ('"it is held "\n    "back"', "held back"),
        ("six kinds of prompts", "kinds of prompts"),
        ("what is made of a vector", "made of"),
        ("what it makes of it", "made of"),
        ("the mean mark", "marks"),
        ("It stands there.", "stands"),
        ("as it stood in the file", "stands"),
        ("surely better", "surely"),
    ],
)
def test_an_idiom_is_seen(text: str, idiom: str) -> None:
    assert [name for _, name in idioms_in(text)] == [idiom]


@pytest.mark.parametrize(
    "text",
    [
        "Besides, it is",
        "a benchmark",
        "it stands for\nthe others",
        "a stand-in",
        "kinds",
        "a remark",
    ],
)
def test_plain_words_pass(text: str) -> None:
    assert idioms_in(text) == []


def test_code_help_and_pages_are_in_plain_words() -> None:
    places = [
        f"{name}:{line} {idiom}"
        for path in TEXTS
        for name in [str(path.relative_to(ROOT))]
        for line, idiom in idioms_in(path.read_text(encoding="utf-8"))
        if idiom not in ALLOWED.get(name, ())
    ]
    assert places == []


def test_a_share_is_written_with_a_blank_before_its_sign() -> None:
    """As everywhere else: what Python writes of `:.1%` has none."""
    without = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r":[,.0-9]*%\}", text)
    ]
    assert without == []
