"""Text to vectors. Importing this package loads no model library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from routectl.embedding.files import DEFAULT, locate
from routectl.embedding.names import (
    is_classifier,
    is_hidden,
    parse_remote,
    parts_of,
    remote_host,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DEFAULT", "READS", "Embedder", "open_embedder", "remote_host"]

READS = ("head", "head_tail")
"""The part that is read of a prompt that is longer than the model's window."""


class Embedder(Protocol):
    """Turns prompts into vectors, at one digest of all files that can change a vector."""

    name: str
    digest: str
    dimension: int
    max_tokens: int
    """The most tokens that are read of a prompt, special tokens included; characters where the
    embedder is remote."""
    reads: str
    """One of `READS`."""
    probe: NDArray[np.float32] | None
    """Vectors of a few fixed texts, shape (k, dimension), by which a model that can change behind
    its name is known again; None where the digest is over the model itself."""
    least_noise: float
    """A floor of the noise, for what cannot be measured from here."""
    comparable: bool
    """Whether the cosine of two vectors says how much alike two prompts are. Where it does not, a
    fit standardises the vectors, and another embedder compares prompts."""
    sentence_dimension: int
    """How many of a vector's last numbers are a sentence embedding, whose cosines say how much
    alike two prompts are; 0 where none are."""

    def embed(self, texts: Sequence[str], *, token_budget: int = 1024) -> NDArray[np.float32]:
        """Shape (n, dimension), rows of length 1."""

    def longer_than_read(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Shape (n,): True where a text has more tokens than are read."""


def open_embedder(name: str = DEFAULT, *, reads: str = "head") -> Embedder:
    """Load an embedder; the default one needs no network.

    Args:
        name: `DEFAULT`, the folder of a sentence-transformers model, its name on the model hub
            (taken from the local cache when it is there), `hidden:NAME` for the hidden states of
            a language model (see `hidden.py`), `hidden:NAME+EMBEDDER` for both side by side,
            `bert:NAME` for a trained classifier (see `classifier.py`), or `openai:URL#MODEL`.
        reads: one of `READS`.

    Raises:
        CheckpointError: it is not there, damaged, not safetensors, or would run its own code.
        EmbeddingError: it is remote and does not answer as it should.
        UsageError: it is remote and its address is none.
    """
    remote = parse_remote(name)
    if remote is not None:
        from routectl.embedding.remote import open_remote

        return open_remote(remote, reads)
    parts = parts_of(name)
    if parts is not None:
        from routectl.embedding.joined import open_joined

        return open_joined(parts, lambda part: open_embedder(part, reads=reads))
    if is_hidden(name):
        from routectl.embedding.hidden import open_hidden

        return open_hidden(name, reads)
    if is_classifier(name):
        from routectl.embedding.classifier import open_classifier

        return open_classifier(name, reads)
    from routectl.embedding.local import load

    return load(locate(name), reads)
