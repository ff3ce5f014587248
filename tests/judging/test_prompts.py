"""Prompts from files, and draws that grow without changing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from routectl.errors import InputError
from routectl.judging.prompts import draw, read_prompts


def test_tables_and_texts_give_their_distinct_prompts(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text('id,prompt\n1,"two\nlines"\n2,b\n3,b\n')
    lines = tmp_path / "lines.jsonl"
    lines.write_text(json.dumps({"turns": ["first", "second"]}) + "\n")
    text = tmp_path / "text.txt.gz"
    text.write_bytes(gzip.compress(b"a, b and c\r\n\n  \nd\xe2\x80\xa8e\nb"))
    expected = ["two\nlines", "b", "first", "a, b and c", "d\u2028e"]
    assert read_prompts([table, lines, text]) == expected


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("none.txt", None, "does not exist"),
        ("blank.txt", b" \n\n", "holds no prompt"),
        ("latin.txt", b"a\n\xe9t\xe9 un deux trois", "line 2: not UTF-8"),
        ("cut.txt.gz", gzip.compress(b"a" * 100, mtime=0)[:-9], "is damaged"),
    ],
)
def test_what_holds_no_prompts_is_one_sentence(
    tmp_path: Path, name: str, data: bytes | None, sentence: str
) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=sentence) as raised:
        read_prompts([path])
    assert str(path) in str(raised.value)


def test_a_smaller_draw_is_the_beginning_of_a_larger_one_in_any_order() -> None:
    prompts = [f"prompt {n}" for n in range(200)]
    large = draw(prompts, 50, seed=3)
    assert draw(reversed(prompts), 20, seed=3) == large[:20]
    assert set(draw(prompts, 50, seed=4)) != set(large)
    assert sorted(draw(prompts, None, seed=3)) == sorted(prompts)
