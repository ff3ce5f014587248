"""Text from outside is shown as what cannot act: nothing of it is lost, nothing is carried out."""

from __future__ import annotations

import json
import sys
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.escaping import first_names, markdown, markdown_code, visible, visible_json

ACTING = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of characters that a terminal or a reader acts on instead of showing them."""
TEXTS = st.text(st.characters() | st.characters(categories=ACTING))


def test_no_character_that_acts_is_shown_as_it_is() -> None:
    acting = [chr(n) for n in range(sys.maxunicode + 1) if category(chr(n)) in ACTING]
    assert len(acting) > 2_000
    shown = visible("".join(acting))
    assert shown.isascii()
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("\x7f", r"\x7f"),
        ("a\r\nConfig string: router-mf-0.0", r"a\r\nConfig string: router-mf-0.0"),
        ("sm\u202eart\u2066", r"sm\u202eart\u2066"),
        ("a\u200bb\u2028c\u2029d\ufeff", r"a\u200bb\u2028c\u2029d\ufeff"),
        ("\ud83d\udcff", r"\ud83d\udcff"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_acts_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text", ["", "gpt-4o", "C:\\models\\new", "é ü 質問 \u00a0\u3000 😀", "אבג", "$5 | `a`"]
)
def test_all_else_stays(text: str) -> None:
    assert visible(text) == text


@given(TEXTS)
def test_json_says_the_same_to_its_reader_and_nothing_to_a_terminal(text: str) -> None:
    shown = visible_json(json.dumps({"a": [text], text: 1}, indent=2, ensure_ascii=False))
    assert json.loads(shown) == {"a": [text], text: 1}
    assert all(line == visible(line) for line in shown.split("\n"))


@given(TEXTS)
def test_a_cell_of_markdown_is_one_cell_of_one_line(text: str) -> None:
    for shown in (markdown(text), markdown_code(text)):
        assert shown == visible(shown)
        assert "|" not in shown.replace("\\|", "")
    assert "<" not in markdown(text)


def test_code_in_markdown_ends_where_it_should() -> None:
    assert markdown_code("a`b") == "`` a`b ``"
    assert markdown_code("plain") == "`plain`"


def test_of_very_many_names_the_first_are_told_and_how_many_more() -> None:
    names = [f"m{number}" for number in range(2_000)]
    assert first_names(names) == "m0, m1, m2, m3, m4, m5, m6, m7 and 1,992 more"
    assert first_names(names[:8]) == "m0, m1, m2, m3, m4, m5, m6, m7"
    assert first_names(names[:3], most=2) == "m0, m1 and 1 more"
