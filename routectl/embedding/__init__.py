"""Text to vectors. Importing this package loads no model library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from routectl.embedding.files import DEFAULT, locate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DEFAULT", "READS", "Embedder", "open_embedder"]

READS = ("head", "head_tail")
"""What can be read of a prompt that is longer than the model reads."""


class Embedder(Protocol):
    """Turns prompts into vectors, at one digest of all files that can change a vector."""

    name: str
    digest: str
    dimension: int
    max_tokens: int
    """The most tokens that are read of a prompt, special tokens included."""
    reads: str
    """One of `READS`."""

    def embed(self, texts: Sequence[str], *, token_budget: int = 1024) -> NDArray[np.float32]:
        """Shape (n, dimension), rows of length 1."""

    def longer_than_read(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Shape (n,): True where a text has more tokens than are read."""


def open_embedder(name: str = DEFAULT, *, reads: str = "head") -> Embedder:
    """Load an embedder; the default one needs no network.

    Args:
        name: `DEFAULT`, the folder of a sentence-transformers model, or its name on the model hub
            (taken from the local cache when it is there).
        reads: one of `READS`.

    Raises:
        CheckpointError: it is not there, damaged, not safetensors, or would run its own code.
    """
    files = locate(name)
    from routectl.embedding.local import load

    return load(files, reads)
