"""The part of a prompt that is read where it is longer than the model's window.

`head` reads its beginning, as `SentenceTransformer.encode` does; `head_tail` reads as many tokens
of its beginning as of its end. Neither tokenizes more of a long text than it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Characters of a text's beginning (or end) that are tokenized first, for each token wanted.
# English needs about 4.5; a text that needs more is tokenized again with four times as many.
_CHARACTERS_PER_TOKEN = 8


class TokenReader:
    """Texts to the token ids that the model is given."""

    def __init__(self, backend: Any, max_tokens: int, reads: str) -> None:
        from tokenizers import Tokenizer

        # A copy, because truncation and padding are settings of the object.
        self._tokenizer = Tokenizer.from_str(backend.to_str())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._room = max_tokens - self._tokenizer.num_special_tokens_to_add(is_pair=False)
        self._reads = reads

    def read(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, special tokens included, at most `max_tokens` of them."""
        heads, longer = self._ends(texts, self._room, from_end=False)
        if self._reads == "head_tail" and any(longer):
            rows = [row for row, is_longer in enumerate(longer) if is_longer]
            tail_room = self._room // 2
            tails, _ = self._ends([texts[row] for row in rows], tail_room, from_end=True)
            for row, tail in zip(rows, tails, strict=True):
                head = heads[row]
                head.truncate(self._room - tail_room)
                heads[row] = type(head).merge([head, tail], growing_offsets=False)
        return [self._tokenizer.post_process(head).ids for head in heads]

    def longer_than_read(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text has more tokens than are read."""
        return self._ends(texts, self._room, from_end=False)[1]

    def _ends(
        self, texts: Sequence[str], room: int, *, from_end: bool
    ) -> tuple[list[Any], list[bool]]:
        """The first (or last) `room` tokens of each text, and whether it has more."""
        encodings: list[Any] = [None] * len(texts)
        longer = [False] * len(texts)
        open_rows = list(range(len(texts)))
        cut = room * _CHARACTERS_PER_TOKEN
        while open_rows:
            parts = [texts[row][-cut:] if from_end else texts[row][:cut] for row in open_rows]
            batch = self._tokenizer.encode_batch(parts, add_special_tokens=False)
            undecided = []
            for row, part, encoding in zip(open_rows, parts, batch, strict=True):
                whole = len(part) == len(texts[row])
                settled = len(encoding) if whole else _settled_tokens(encoding, from_end)
                if not whole and settled <= room:
                    undecided.append(row)
                    continue
                longer[row] = settled > room
                if longer[row]:
                    encoding.truncate(room, direction="left" if from_end else "right")
                encodings[row] = encoding
            open_rows, cut = undecided, cut * 4
        return encodings, longer


def _settled_tokens(encoding: Any, from_end: bool) -> int:
    """How many tokens the rest of the text cannot change.

    A tokenizer splits a text into words first and each word by itself, so that a cut changes the
    word that it goes through and no other.
    """
    words: list[int] = encoding.word_ids
    if not words:
        return 0
    return len(words) - words.count(words[0] if from_end else words[-1])
