"""Vectors computed on this machine's CPU, in batches of about equal numbers of tokens."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from routectl.embedding.batches import batches
from routectl.embedding.files import EmbedderFiles
from routectl.embedding.reading import TokenReader
from routectl.errors import CheckpointError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_SHORTEST = 1e-12
"""A vector shorter than that is taken for one of that length, as torch does."""


class LocalModel(Protocol):
    """A model that is in memory."""

    tokenizer: Any
    """A `tokenizers.Tokenizer`, or what has its `to_str`."""
    max_tokens: int
    dimension: int
    prefix: str
    """What the model wants before every text."""

    def pool(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """A vector of any length for each text's token ids, shape (n, dimension)."""


def load(files: EmbedderFiles) -> LocalEmbedder:
    """Load a model from its folder, without a look at the network.

    Raises:
        CheckpointError: the files are damaged, or its tokenizer is not a fast one.
    """
    digest = files.digest()
    return LocalEmbedder(files.name, digest, _model(files, digest))


# Routers of several model pairs share one embedder; the digest tells a changed folder.
@functools.lru_cache(maxsize=1)
def _model(files: EmbedderFiles, digest: str) -> LocalModel:
    from routectl.embedding.bert_files import bert_settings
    from routectl.embedding.engines import load_bert
    from routectl.embedding.sentence_transformer import AnyModel, load_sentence_transformer

    settings = bert_settings(files)
    try:
        if settings is not None:
            return load_bert(settings)
        return AnyModel(files.name, load_sentence_transformer(files))
    except CheckpointError:
        raise
    except Exception as error:  # whatever the libraries below raise on damaged files
        raise CheckpointError(
            f"The embedder {files.name!r} in {files.folder} cannot be loaded "
            f"({type(error).__name__}); restore its files."
        ) from error


class LocalEmbedder:
    """The vectors of `SentenceTransformer.encode`, faster."""

    def __init__(self, name: str, digest: str, model: LocalModel) -> None:
        self.name = name
        self.digest = digest
        self.dimension = model.dimension
        self.max_tokens = model.max_tokens
        self.probe: NDArray[np.float32] | None = None
        self.least_noise = 0.0
        self.comparable = True
        self.sentence_dimension = self.dimension
        self._model = model
        self._reader = TokenReader(model.tokenizer, model.max_tokens)

    def embed(self, texts: Sequence[str], *, token_budget: int = 1024) -> NDArray[np.float32]:
        """Vectors of texts.

        Args:
            token_budget: tokens of a batch, padding included; it moves speed and the noise, and
                nothing else. 1,024 was the fastest on CPUs of 2 to 16 cores.

        Returns:
            Shape (n, dimension), rows of length 1.
        """
        import numpy as np

        tokens = self._reader.read([self._model.prefix + text for text in texts])
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for rows in batches([len(ids) for ids in tokens], token_budget):
            output = self._model.pool([tokens[row] for row in rows])
            length = np.linalg.norm(output, axis=1, keepdims=True)
            vectors[rows] = output / np.maximum(length, _SHORTEST)
        return vectors

    def longer_than_read(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Shape (n,): True where a text has more tokens than are read."""
        import numpy as np

        prefix = self._model.prefix
        return np.array(
            self._reader.longer_than_read([prefix + text for text in texts]), dtype=np.bool_
        )
