"""Two embedders joined: a language model's hidden states, then a sentence embedding.

The states hold how hard a prompt is, the embedding what it is about (research/routers.md has what
both are worth together). Both vectors have the same length, and their concatenation has length 1;
a fit that standardises it lets every number count alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from routectl.embedding.files import DEFAULT
from routectl.embedding.names import PLUS, is_classifier, is_hidden, parse_remote
from routectl.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.embedding import Embedder


def open_joined(parts: tuple[str, str], open_part: Callable[[str], Embedder]) -> Embedder:
    """The embedder of a name that has `parts_of` two, each opened by `open_part`.

    Raises:
        UsageError: the second one is remote, hidden states too, or a classifier.
    """
    first, second = parts
    if parse_remote(second) is not None or is_hidden(second) or is_classifier(second):
        raise UsageError(
            f"Hidden states are joined with a sentence embedder of this machine, not {second!r}; "
            f"write {first}{PLUS}{DEFAULT}."
        )
    return Joined(open_part(first), open_part(second))


class Joined:
    """An `Embedder` whose vectors are those of two, one after the other."""

    def __init__(self, first: Embedder, second: Embedder) -> None:
        """Join two embedders that run on this machine."""
        self._parts = (first, second)
        self.name = f"{first.name}{PLUS}{second.name}"
        self.digest = hashlib.sha256(f"{first.digest} {second.digest}".encode()).hexdigest()
        self.dimension = first.dimension + second.dimension
        self.max_tokens = min(first.max_tokens, second.max_tokens)
        self.probe: NDArray[np.float32] | None = None
        self.least_noise = max(first.least_noise, second.least_noise)
        self.comparable = first.comparable and second.comparable
        self.sentence_dimension = second.sentence_dimension

    def embed(self, texts: Sequence[str], *, token_budget: int = 1024) -> NDArray[np.float32]:
        """Shape (n, dimension), rows of length 1.

        Args:
            token_budget: tokens of a batch on a CPU, padding included.
        """
        import numpy as np

        vectors = [part.embed(texts, token_budget=token_budget) for part in self._parts]
        return np.hstack(vectors) / np.float32(len(vectors) ** 0.5)

    def longer_than_read(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Shape (n,): True where a text has more tokens than one of the two reads."""
        first, second = (part.longer_than_read(texts) for part in self._parts)
        return first | second
