"""What is made of a prompt's embedding before it is multiplied with what was learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from routectl.checkpoint import Checkpoint
from routectl.routers.kinds import Kinds, read_kinds
from routectl.routers.standardised import Standardisation, read_standardisation
from routectl.routers.surface import Surface, read_surface

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Features:
    """The embedding, standardised or as it is, and what stands beside it; each part may be None."""

    standardisation: Standardisation | None = None
    surface: Surface | None = None
    kinds: Kinds | None = None

    def vectors(
        self, embeddings: NDArray[np.float32], prompts: Sequence[str]
    ) -> NDArray[np.float32]:
        """q: without what the kinds put beside it, shape (n, D)."""
        import numpy as np

        vectors = embeddings
        if self.standardisation is not None:
            vectors = self.standardisation.of(vectors)
        if self.surface is not None:
            vectors = np.hstack([vectors, self.surface.of(prompts).astype(np.float32)])
        return vectors

    def of(self, embeddings: NDArray[np.float32], prompts: Sequence[str]) -> NDArray[np.float32]:
        """All of it, shape (n, D and the kinds' width)."""
        import numpy as np

        vectors = self.vectors(embeddings, prompts)
        if self.kinds is None:
            return vectors
        return np.hstack([vectors, self.kinds.of(embeddings, vectors).astype(np.float32)])


def read_features(
    checkpoint: Checkpoint, tensors: Mapping[str, NDArray[Any]], dimension: int
) -> Features:
    """What a checkpoint makes of an embedding of `dimension` numbers.

    Raises:
        CheckpointError: a part of it is missing, or cannot be.
    """
    surface = read_surface(checkpoint)
    standardisation = read_standardisation(checkpoint, tensors, dimension)
    kinds = read_kinds(checkpoint, tensors, dimension, dimension + (surface is not None))
    return Features(standardisation, surface, kinds)
