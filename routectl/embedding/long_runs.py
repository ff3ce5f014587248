"""Texts with their long runs cut, so that a tokenizer of BERT's kind gives the same tokens sooner.

Such a tokenizer reads a word of more than 100 characters as one token, [UNK], whatever it is and
however long, and blanks as nothing. So of a longer run of either a part says the same. What a
character is, the tokenizer itself is asked, once for each.

Why no token changes: a run ends where a character of another kind, or the text, does. An added
token, such as [SEP], is looked for in the text as it is written. It has a character that is in no
run, so it reaches less than its own length into one, and as much is kept at both ends of a run.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_UNKNOWN, _WORD, _BLANK, _NOTHING, _OTHER = b"\0wbn!"
"""Kinds of characters: not asked yet, a part of a word, what parts words, what is dropped (a
combining accent), and a token by itself (punctuation, an ideograph)."""


def long_runs_of(tokenizer: Any) -> LongRuns | None:
    """What cuts texts for a `tokenizers.Tokenizer`; None where it is of another kind."""
    config = json.loads(tokenizer.to_str())
    model = config["model"]
    kinds = [(config[part] or {}).get("type") for part in ("normalizer", "pre_tokenizer")]
    if [*kinds, model["type"]] != ["BertNormalizer", "BertPreTokenizer", "WordPiece"]:
        return None
    added = [(token["content"], token["normalized"]) for token in config["added_tokens"]]
    runs = LongRuns(tokenizer, model["max_input_chars_per_word"], [text for text, _ in added])
    is_safe = all(not normalized and runs.leaves_whole(text) for text, normalized in added)
    return runs if is_safe else None


class LongRuns:
    """Cuts the long runs of texts."""

    def __init__(self, tokenizer: Any, longest_word: int, added: list[str]) -> None:
        """Take a tokenizer.

        Args:
            longest_word: characters of the longest word that is not one token whatever it is.
            added: tokens that are looked for before a text is split into words.
        """
        import numpy as np

        self._normalize = tokenizer.normalizer.normalize_str
        self._split = tokenizer.pre_tokenizer.pre_tokenize_str
        self._end = max(map(len, added), default=0) + 1
        """Characters of a run that are kept at each of its ends."""
        gap = 2 * self._end + 2
        """Of blanks and of what is dropped, the shortest run that is cut."""
        # At least one character of `gap` is a part of the word.
        self._word = (longest_word + 1 + self._end) * gap
        """Characters that are kept of a word's beginning."""
        self._gaps = re.compile(rb"[bn]{%d,}" % gap)
        self._words = re.compile(rb"[wn]{%d,}" % (self._word + self._end + 1))
        self._kinds = np.zeros(0x110000, dtype=np.uint8)
        """Of each code point."""
        self._kinds[0xD800:0xE000] = _OTHER  # a lone surrogate is no character
        self._kinds[ord("!")] = _OTHER

    def leaves_whole(self, text: str) -> bool:
        """Whether no run can hold this text."""
        return _OTHER in self._kinds_of(text)

    def cut(self, text: str) -> str:
        """A text with the same tokens, whose words have their places, and in which no run is
        longer than some hundred characters of a gap or some thousand of a word."""
        text = self._replaced(self._gaps, self._end, text)
        return self._replaced(self._words, self._word, text)

    def _replaced(self, pattern: re.Pattern[bytes], beginning: int, text: str) -> str:
        kinds, parts, done = self._kinds_of(text), [], 0
        for match in pattern.finditer(kinds):
            start, end = match.start() + beginning, match.end() - self._end
            # Also among what is dropped, one blank parts words.
            between = " " if kinds.find(_BLANK, start, end) >= 0 else ""
            parts += [text[done:start], between]
            done = end
        return "".join([*parts, text[done:]]) if parts else text

    def _kinds_of(self, text: str) -> bytes:
        """The kind of each character."""
        import numpy as np

        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        kinds = self._kinds[points]
        if not kinds.all():
            self._ask(np.unique(points[kinds == _UNKNOWN]))
            kinds = self._kinds[points]
        written: bytes = kinds.tobytes()
        return written

    def _ask(self, points: NDArray[np.uint32]) -> None:
        """Have the tokenizer tell the kinds of these code points."""
        # Each between two letters, and "!" is a piece of its own.
        written = "!".join(f"a{chr(point)}a" for point in points)
        groups: list[list[str]] = [[]]
        for piece, _ in self._split(self._normalize(written)):
            if piece == "!":
                groups.append([])
            else:
                groups[-1].append(piece)
        for point, pieces in zip(points, groups, strict=True):
            if pieces == ["aa"]:
                kind = _NOTHING
            elif pieces == ["a", "a"]:
                kind = _BLANK
            else:
                kind = _WORD if len(pieces) == 1 else _OTHER
            self._kinds[point] = kind
