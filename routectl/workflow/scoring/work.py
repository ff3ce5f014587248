"""How much of a scoring run is done, as a share of its time rather than of its prompts."""

from __future__ import annotations

from collections.abc import Sequence

from routectl.records import RouterIdentity

WHOLE = 1000
"""The steps of progress that all of the work is."""

CHARACTERS_PER_TOKEN = 4
PROMPT_TOKENS = 4
"""What a prompt costs besides its text, in tokens: the special tokens around it, and its row in the
database."""


class Work:
    """Prompts are scored the longest first, and a router reads only so much of each: so a prompt
    counts as many tokens as are read of it."""

    def __init__(self, lengths: Sequence[int], routers: Sequence[RouterIdentity]) -> None:
        """Begin with nothing done.

        Args:
            lengths: characters of each prompt, in the order in which they are scored.
            routers: those that score, side by side.
        """
        import numpy as np

        self._lengths = np.asarray(lengths, dtype=np.float64)
        self._done = self._told = 0
        # The longest that any of them reads decides the time.
        limits = [router.config.get("max_tokens") for router in routers]
        self._read: float = max(
            (limit * CHARACTERS_PER_TOKEN for limit in limits if isinstance(limit, int)),
            default=max(lengths, default=0),
        )

    def saw(self, longer_than_read: Sequence[int]) -> None:
        """Take note of the lengths of prompts that a router read only a part of: it reads less."""
        self._read = min(self._read, *longer_than_read, self._read)

    def advance(self, prompts: int) -> int:
        """Count the next prompts as done; returns by how much of WHOLE that is more."""
        import numpy as np

        self._done += prompts
        tokens = PROMPT_TOKENS + np.minimum(self._lengths, self._read) / CHARACTERS_PER_TOKEN
        share = float(tokens[: self._done].sum() / tokens.sum())
        # Where less was read of each than was thought, the bar waits.
        more = max(0, round(WHOLE * share) - self._told)
        self._told += more
        return more
