"""Every name says what it holds: a few words that say nothing are not used as names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "routectl"

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
