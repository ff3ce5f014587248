"""A prompt's features: computed from its embedding, and multiplied with what was learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from routectl.checkpoint import Checkpoint
from routectl.routers.kinds import Kinds, read_kinds
from routectl.routers.question_length import QuestionLength, read_question_length
from routectl.routers.standardised import Standardisation, read_standardisation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Features:
    """The embedding, standardised or as it is, and the extra features; each part may be None."""

    standardisation: Standardisation | None = None
    question_length: QuestionLength | None = None
    kinds: Kinds | None = None

    def vectors(
        self, embeddings: NDArray[np.float32], prompts: Sequence[str]
    ) -> NDArray[np.float32]:
        """q: without the features of the clusters, shape (n, D)."""
        import numpy as np

        vectors = embeddings
        if self.standardisation is not None:
            vectors = self.standardisation.of(vectors)
        if self.question_length is not None:
            vectors = np.hstack([vectors, self.question_length.of(prompts).astype(np.float32)])
        return vectors

    def of(self, embeddings: NDArray[np.float32], prompts: Sequence[str]) -> NDArray[np.float32]:
        """All of it, shape (n, D and the clusters' width)."""
        import numpy as np

        vectors = self.vectors(embeddings, prompts)
        if self.kinds is None:
            return vectors
        return np.hstack([vectors, self.kinds.of(embeddings, vectors).astype(np.float32)])


def read_features(
    checkpoint: Checkpoint, tensors: Mapping[str, NDArray[Any]], dimension: int
) -> Features:
    """The features that a checkpoint computes from an embedding of `dimension` numbers.

    Raises:
        CheckpointError: a part of it is missing, or cannot be.
    """
    length_feature = read_question_length(checkpoint)
    standardisation = read_standardisation(checkpoint, tensors, dimension)
    kinds = read_kinds(checkpoint, tensors, dimension, dimension + (length_feature is not None))
    return Features(standardisation, length_feature, kinds)
