"""The part of a prompt that is read where it is longer than the model's window: its beginning.

As `SentenceTransformer.encode` does, but without tokenizing more of a long text than is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from routectl.embedding.long_runs import long_runs_of

# Characters of a text's beginning that are tokenized first, for each token wanted.
# English needs about 4.5; a text that needs more is tokenized again with four times as many, and
# with its long runs cut, where the tokenizer is one for which that changes nothing.
_CHARACTERS_PER_TOKEN = 8


class TokenReader:
    """Texts to the token ids that the model is given."""

    def __init__(self, backend: Any, max_tokens: int) -> None:
        from tokenizers import Tokenizer

        # A copy, because truncation and padding are settings of the object.
        self._tokenizer = Tokenizer.from_str(backend.to_str())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._long_runs = long_runs_of(self._tokenizer)
        self._room = max_tokens - self._tokenizer.num_special_tokens_to_add(is_pair=False)

    def read(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, special tokens included, at most `max_tokens` of them."""
        heads, _ = self._heads(texts)
        return [self._tokenizer.post_process(head).ids for head in heads]

    def longer_than_read(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text has more tokens than are read."""
        return self._heads(texts)[1]

    def _heads(self, texts: Sequence[str]) -> tuple[list[Any], list[bool]]:
        """The first tokens of each text, as many as there is room for, and whether it has more."""
        encodings: list[Any] = [None] * len(texts)
        longer = [False] * len(texts)
        open_rows = list(range(len(texts)))
        cut = self._room * _CHARACTERS_PER_TOKEN
        is_first = True
        while open_rows:
            parts = [texts[row][:cut] for row in open_rows]
            if not is_first and self._long_runs is not None:
                parts = [self._long_runs.cut(part) for part in parts]
            tokenized = self._tokenizer.encode_batch(parts, add_special_tokens=False)
            undecided = []
            for row, encoding in zip(open_rows, tokenized, strict=True):
                whole = len(texts[row]) <= cut
                settled = len(encoding) if whole else _settled_tokens(encoding)
                if not whole and settled <= self._room:
                    undecided.append(row)
                    continue
                longer[row] = settled > self._room
                if longer[row]:
                    encoding.truncate(self._room)
                encodings[row] = encoding
            open_rows, cut, is_first = undecided, cut * 4, False
        return encodings, longer


def _settled_tokens(encoding: Any) -> int:
    """Tokens that the rest of the text cannot change.

    A tokenizer splits a text into words first and each word by itself, so that a cut changes the
    word that it goes through and no other.
    """
    words: list[int] = encoding.word_ids
    if not words:
        return 0
    return len(words) - words.count(words[-1])
