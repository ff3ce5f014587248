"""A text whose long runs are cut has the tokens of the whole, and the cut is short."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from routectl.embedding.bert_files import encoder_settings
from routectl.embedding.files import DEFAULT, locate_encoder
from routectl.embedding.long_runs import LongRuns, long_runs_of
from routectl.embedding.reading import TokenReader

MINILM = Tokenizer.from_file(str(encoder_settings(locate_encoder(DEFAULT)).tokenizer))
MINILM.no_truncation()
MINILM.no_padding()


def cased() -> Any:
    """One that keeps accents, and whose added tokens take the blanks around them."""
    vocabulary = {token: index for index, token in enumerate(["[UNK]", *"ab![]SEPé", "##a", "##é"])}
    made = Tokenizer(
        models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=20)  # type: ignore[call-arg]
    )
    made.normalizer = normalizers.BertNormalizer(lowercase=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(
        [
            AddedToken("[SEP]", lstrip=True, rstrip=True, normalized=False),
            AddedToken("a]b", single_word=True, normalized=False),
        ]
    )
    return made


TOKENIZERS = {"minilm": MINILM, "cased": cased()}

PIECES = (
    *("a", "b", "é", "\u0301", "\u0903", "\u302e", "ß", "İ", "ﬁ", "가", "ά", "🧮", "\U0010ffff"),
    *(" ", "\t", "\n", "\u3000", "\u2028", "\u200b", "\u00ad", "\0", "\ufffd", "\x1f"),
    *("!", "，", "字", "豈", "[", "]", "[SEP]", "SEP]", "[S", "a]b", "[MASK]", "_", "\u037e"),
)
COUNTS = st.sampled_from([1, 1, 2, 13, 14, 15, 21, 25, 100, 101, 102, 400, 1500, 1900, 4000])
RUNS = st.lists(st.tuples(st.sampled_from(PIECES) | st.characters(codec="utf-8"), COUNTS))
MIXED = st.tuples(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), st.integers(1, 800))
TEXTS = st.lists(
    st.one_of(
        RUNS.map(lambda runs: "".join(c * n for c, n in runs)),
        MIXED.map(lambda mixed: mixed[0] * mixed[1]),
    ),
    max_size=4,
).map("".join)


def runs_of(name: str) -> LongRuns:
    runs = long_runs_of(TOKENIZERS[name])
    assert runs is not None
    return runs


@pytest.mark.parametrize("name", TOKENIZERS)
@given(text=TEXTS)
def test_no_token_changes(name: str, text: str) -> None:
    cut = runs_of(name).cut(text)

    tokenizer = TOKENIZERS[name]
    whole, shorter = (tokenizer.encode(t, add_special_tokens=False) for t in (text, cut))
    assert shorter.ids == whole.ids
    assert shorter.word_ids == whole.word_ids


@settings(max_examples=40)
@given(text=TEXTS)
def test_what_is_read_is_the_beginning_of_what_the_tokenizer_gives(text: str) -> None:
    reader = TokenReader(MINILM, 40)
    whole = MINILM.encode(text, add_special_tokens=False)

    (ids,) = reader.read([text])

    assert ids[1:-1] == whole.ids[:38]
    assert reader.longer_than_read([text]) == [len(whole) > 38]


@pytest.mark.parametrize(
    "text",
    [
        "a" * 10**6,
        " " * 10**6 + "x",
        "é\u0301" * 500_000,
        "a" + "\u0301" * 10**6 + "b",
        " \u200b\t\0" * 250_000,
        "🧮" * 10**6,
        "".join(map(chr, range(0xAC00, 0xD7A4))) * 90,
    ],
)
def test_a_run_of_a_megabyte_becomes_a_few_kilobytes(text: str) -> None:
    assert len(runs_of("minilm").cut(text)) < 4000


def test_a_tokenizer_for_which_it_could_change_tokens_is_left_alone() -> None:
    other = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    assert long_runs_of(other) is None
    for word in (AddedToken("aaa", normalized=False), AddedToken("[X]", normalized=True)):
        tokenizer = cased()
        tokenizer.add_tokens([word])
        assert long_runs_of(tokenizer) is None
