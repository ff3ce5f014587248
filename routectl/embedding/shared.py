"""One embedder for the routers of this process that read a prompt alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from routectl.embedding import DEFAULT, Embedder, open_embedder
from routectl.embedding.joined import open_joined
from routectl.embedding.names import parts_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_opened: WeakValueDictionary[tuple[str, str], SharedEmbedder] = WeakValueDictionary()


def open_shared(name: str = DEFAULT) -> SharedEmbedder:
    """As `open_embedder`, and the same object for the same embedder as long as anyone holds it.

    Raises:
        CheckpointError, EmbeddingError, UsageError: as `open_embedder`.
    """
    # Of two side by side each may also be another router's.
    parts = parts_of(name)
    embedder = open_embedder(name) if parts is None else open_joined(parts, open_shared)
    key = (embedder.name, embedder.digest)
    shared = _opened.get(key)
    if shared is None:
        shared = _opened[key] = SharedEmbedder(embedder)
    # The one that was asked for just now tells what a remote model is today.
    shared.probe = embedder.probe
    return shared


class SharedEmbedder:
    """An embedder that remembers the vectors of the last batch: routers score it one by one."""

    def __init__(self, embedder: Embedder) -> None:
        self.name = embedder.name
        self.digest = embedder.digest
        self.dimension = embedder.dimension
        self.max_tokens = embedder.max_tokens
        self.probe = embedder.probe
        self.least_noise = embedder.least_noise
        self.comparable = embedder.comparable
        self.sentence_dimension = embedder.sentence_dimension
        self._embedder = embedder
        self._vectors: dict[str, NDArray[np.float32]] = {}
        self._longer: dict[str, np.bool_] = {}

    def embed(
        self, texts: Sequence[str], *, token_budget: int | None = None
    ) -> NDArray[np.float32]:
        """Shape (n, dimension), rows of length 1.

        Args:
            token_budget: None is the embedder's own.
        """
        import numpy as np

        cached = self._vectors
        new = [text for text in dict.fromkeys(texts) if text not in cached]
        if new:
            budget = {} if token_budget is None else {"token_budget": token_budget}
            embedded = dict(zip(new, self._embedder.embed(new, **budget), strict=True))
            cached = {text: embedded[text] if text in embedded else cached[text] for text in texts}
            self._vectors = cached
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = cached[text]
        return vectors

    def longer_than_read(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Shape (n,): True where a text has more tokens than are read."""
        import numpy as np

        cached = self._longer
        new = [text for text in dict.fromkeys(texts) if text not in cached]
        if new:
            measured = dict(zip(new, self._embedder.longer_than_read(new), strict=True))
            cached = {text: measured[text] if text in measured else cached[text] for text in texts}
            self._longer = cached
        return np.array([cached[text] for text in texts], dtype=np.bool_)
