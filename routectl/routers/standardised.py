"""Vectors whose numbers differ in size, made alike: less their mean, by their standard deviation.

The hidden states of a language model have a few numbers up to a hundred times as large as most,
in which prompts hardly differ. Standardised, over the prompts of the training, all count alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from routectl.checkpoint import Checkpoint, require
from routectl.errors import CheckpointError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STANDARDISED = _CENTRE, _SPREAD = "centre", "spread"
"""Its tensors in a checkpoint."""


@dataclass(frozen=True, slots=True)
class Standardisation:
    """What makes q into (q - centre) / spread. D numbers each."""

    centre: NDArray[np.float32]
    """Shape (D,)."""
    spread: NDArray[np.float32]
    """Shape (D,), above 0: the standard deviation times the root of D, so that vectors have a mean
    square length of 1."""

    @classmethod
    def fit(cls, vectors: NDArray[np.float32]) -> Standardisation:
        """The constants of these vectors, shape (n, D), of length 1.

        A number that varies by less than rounding stays at 0: MiniLM has some that are 1e-30, and
        by their standard deviation they would be nothing but noise.
        """
        import numpy as np

        deviation = vectors.std(axis=0, dtype=np.float64)
        deviation[deviation < np.finfo(np.float32).eps] = 1.0
        return cls(
            vectors.mean(axis=0, dtype=np.float64).astype(np.float32),
            (deviation * np.sqrt(vectors.shape[1])).astype(np.float32),
        )

    def of(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Shape (n, D)."""
        standardised: NDArray[np.float32] = (vectors - self.centre) / self.spread
        return standardised

    @property
    def tensors(self) -> dict[str, NDArray[Any]]:
        """What a checkpoint holds of it."""
        return {_CENTRE: self.centre, _SPREAD: self.spread}


def read_standardisation(
    checkpoint: Checkpoint, tensors: Mapping[str, NDArray[Any]], dimension: int
) -> Standardisation | None:
    """That of a checkpoint's vectors of `dimension` numbers; None where they are used as they are.

    Raises:
        CheckpointError: one half of it is missing, or cannot be.
    """
    if not {_CENTRE, _SPREAD} & set(tensors):
        return None
    centre, spread = (
        require(tensors, name, (dimension,), checkpoint) for name in (_CENTRE, _SPREAD)
    )
    if not (spread > 0).all():
        raise CheckpointError(
            f"{checkpoint.weights_path}: every number of {_SPREAD!r} must be above 0; restore the "
            "checkpoint."
        )
    return Standardisation(centre, spread)
