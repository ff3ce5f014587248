"""Vectors from an OpenAI-compatible endpoint, named `openai:URL#MODEL`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING

from routectl.embedding import endpoint
from routectl.embedding.batches import batches
from routectl.embedding.names import RemoteName
from routectl.endpoint import Endpoint, Patience
from routectl.errors import EndpointError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NOISE = 1e-5
"""The least noise stated for a remote embedder, as a distance of unit vectors: its next machine may
round in another way than the one that was measured."""

PROBES = (
    "What is the capital of Australia?",
    "Write a function that merges two sorted lists, and prove that it ends.",
    "请用一句话解释量子纠缠。",
    "one two three four five. " * 40,
)
"""Texts whose vectors tell whether the model under a name is still the one that it was."""

_MOST_TEXTS = 128
_IN_FLIGHT = 4
# English needs about 4.5 characters for a token; the budget need not be exact.
_CHARACTERS_PER_TOKEN = 4


def open_remote(name: RemoteName) -> RemoteEmbedder:
    """Ask a remote embedder for its probe.

    Raises:
        EmbeddingError: it does not answer, or not as it should.
    """
    return RemoteEmbedder(name, endpoint.PATIENCE)


class RemoteEmbedder:
    """An endpoint's vectors, a few requests at a time. Prompts leave this machine."""

    def __init__(self, name: RemoteName, patience: Patience) -> None:
        self.name = name.name
        self.max_tokens = name.characters
        self._endpoint = Endpoint(name.url, name.model, endpoint.SERVICE, patience)
        self._characters = name.characters
        self.dimension = 0
        probe = self.embed(PROBES)
        self.dimension = probe.shape[1]
        self.digest = name.digest(self.dimension)
        self.probe: NDArray[np.float32] | None = probe
        self.least_noise = NOISE
        self.comparable = True
        self.sentence_dimension = self.dimension

    def embed(self, texts: Sequence[str], *, token_budget: int = 16384) -> NDArray[np.float32]:
        """Vectors of texts.

        Args:
            token_budget: about how many tokens a request holds.

        Returns:
            Shape (n, dimension), rows of length 1.

        Raises:
            EmbeddingError: the endpoint does not answer, or not as it should.
        """
        import numpy as np

        parts = [self._part(text) for text in texts]
        least = math.ceil(token_budget / _MOST_TEXTS)
        lengths = [max(least, 1 + len(part) // _CHARACTERS_PER_TOKEN) for part in parts]
        groups = list(batches(lengths, token_budget))
        if not groups:
            return np.empty((0, self.dimension), dtype=np.float32)
        stop = Event()
        pool = ThreadPoolExecutor(_IN_FLIGHT)
        try:
            futures = [
                pool.submit(self._ask, [parts[row] for row in rows], stop) for rows in groups
            ]
            answers = [future.result() for future in futures]
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
        widths = {part.shape[1] for part in answers}
        if len(widths) > 1:
            raise self._wrong(f"vectors of {min(widths)} and of {max(widths)} numbers")
        vectors = np.empty((len(texts), widths.pop()), dtype=np.float32)
        for rows, part in zip(groups, answers, strict=True):
            vectors[rows] = part
        return vectors

    def longer_than_read(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Shape (n,): True where a text has more characters than are sent.

        How many of those the endpoint's model reads is not known here.
        """
        import numpy as np

        return np.array([len(text) > self._characters for text in texts], dtype=np.bool_)

    def _part(self, text: str) -> str:
        """The part of a text that is sent."""
        # Endpoints refuse an empty text, and with it all others of the request.
        return text[: self._characters] or " "

    def _ask(self, texts: Sequence[str], stop: Event) -> NDArray[np.float32]:
        """One request's vectors, in the order of the texts and of length 1."""
        import numpy as np

        request = {"model": self._endpoint.model, "input": list(texts), "encoding_format": "float"}
        answer = self._endpoint.post(request, stop)
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
            raise self._wrong("no list of embeddings")
        if len(data) != len(texts):
            raise self._wrong(f"{len(data)} embeddings for {len(texts)} texts")
        by_index = {item["index"]: item for item in data if type(item.get("index")) is int}
        if sorted(by_index) != list(range(len(texts))):
            raise self._wrong("embeddings whose index is not that of each text once")
        try:
            rows = [by_index[row]["embedding"] for row in range(len(texts))]
            if not all(isinstance(number, int | float) for row in rows for number in row):
                raise TypeError
            vectors = np.array(rows, dtype=np.float64)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise self._wrong("embeddings that are not lists of as many numbers each") from None
        if vectors.ndim != 2 or not vectors.shape[1]:
            raise self._wrong("embeddings that hold no numbers")
        if self.dimension and vectors.shape[1] != self.dimension:
            raise self._wrong(f"vectors of {vectors.shape[1]} numbers instead of {self.dimension}")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            raise self._wrong("a vector that is zero or holds values that are no finite numbers")
        unit: NDArray[np.float32] = (vectors / lengths).astype(np.float32)
        return unit

    def _wrong(self, what: str) -> EndpointError:
        return self._endpoint.error(
            f"answers with {what}: it is not an OpenAI-compatible one, or it is damaged; nothing "
            "of that batch was used."
        )
