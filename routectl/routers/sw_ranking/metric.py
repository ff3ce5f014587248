"""A learned metric: what makes cosines say how alike two prompts are in what makes them hard.

The cosine of two sentence embeddings says whether two prompts are about the same thing. Here q, the
prompt's embedding and its extra features, first becomes

    z = L (q - m)

with the rows of L, first, q's principal components over the prompts of the training, each divided
by its standard deviation, so that none outweighs the others (Mahalanobis' distance in their span);
and last, the direction in which difficulty grows (`training/difficulty.py`), stretched. Two prompts
are then alike when they resemble each other in what prompts differ in, and are about as hard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from routectl.checkpoint import Checkpoint, require
from routectl.errors import CheckpointError, InputError
from routectl.routers.features import Features, read_features
from routectl.routers.standardised import STANDARDISED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COMPONENTS = 128
"""Principal components at most."""
STRETCH = 0.5
"""Standard deviation of the difficulty, where all components together have a mean square of 1. This
and `COMPONENTS` were chosen by five folds, see research/routers.md."""
_NOTHING = 1e-9
"""The share of the largest variance that is no more than rounding."""
_LEARNED = "difficulty"
"""Its name in a checkpoint and a fingerprint; another way to learn one gets another name."""
_TENSOR, _OFFSET = "metric", "metric_offset"
METRIC_TENSORS = (_TENSOR, _OFFSET, *STANDARDISED)
"""Its tensors in a checkpoint."""


@dataclass(frozen=True, slots=True)
class Metric:
    """D numbers of q, R numbers of z."""

    features: Features
    """What makes q of an embedding."""
    projection: NDArray[np.float32]
    """L, shape (R, D)."""
    offset: NDArray[np.float32]
    """L m, shape (R,)."""

    @classmethod
    def fit(
        cls, features: Features, vectors: NDArray[np.float32], direction: NDArray[np.float64]
    ) -> Metric:
        """The metric of a training.

        Args:
            vectors: q of its prompts, shape (n, D), as the features make it.
            direction: in which difficulty grows, shape (D,), of any length above 0.

        Raises:
            InputError: the prompts are all alike, or alike in difficulty.
        """
        import numpy as np

        centre = vectors.mean(axis=0, dtype=np.float64)
        centred = vectors - centre
        variances, axes = np.linalg.eigh(centred.T @ centred / len(vectors))
        # Ascending; what rounding leaves of directions in which nothing varies is no component.
        kept = np.flatnonzero(variances > _NOTHING * variances[-1])[::-1][:COMPONENTS]
        spread = float((centred @ direction).std())
        if not (variances[-1] > 0 and spread > 0):
            raise InputError(
                "No metric can be learned: the prompts are all alike, or none is harder than "
                "another; give more data, or leave --metric out."
            )
        whitened = (axes[:, kept] / np.sqrt(len(kept) * variances[kept])).T
        projection = np.vstack([whitened, STRETCH / spread * direction])
        offset = projection @ centre
        return cls(features, projection.astype(np.float32), offset.astype(np.float32))

    def of(self, embeddings: NDArray[np.float32], prompts: Sequence[str]) -> NDArray[np.float32]:
        """z, shape (n, R)."""
        return self.between(self.features.vectors(embeddings, prompts))

    def between(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """z of q, shape (n, D).

        In double precision on the way, so that the size of a batch, by which a product is computed
        in another order, changes nothing that counts.
        """
        import numpy as np

        product = vectors.astype(np.float64) @ self.projection.T.astype(np.float64)
        projected: NDArray[np.float32] = (product - self.offset).astype(np.float32)
        return projected

    @property
    def tensors(self) -> dict[str, NDArray[Any]]:
        """What a checkpoint holds of it."""
        standardisation = self.features.standardisation
        return {
            _TENSOR: self.projection,
            _OFFSET: self.offset,
            **({} if standardisation is None else standardisation.tensors),
        }

    @property
    def config(self) -> dict[str, object]:
        """What a checkpoint's config says of it, and its part of a fingerprint."""
        length_feature = self.features.question_length
        return {
            "metric": {"learned": _LEARNED, "dimension": len(self.offset)},
            **({} if length_feature is None else {"surface": length_feature.config}),
        }


def read_metric(
    checkpoint: Checkpoint, tensors: Mapping[str, NDArray[Any]], embedded: int
) -> Metric | None:
    """That of a checkpoint whose embeddings have `embedded` numbers; None: it compares these.

    Raises:
        CheckpointError: a part is missing, or of another shape than the config says.
    """
    if "metric" not in checkpoint.config:
        unasked = sorted(set(METRIC_TENSORS) & set(tensors))
        if unasked:
            raise CheckpointError(
                f"{checkpoint.weights_path} holds the tensor {unasked[0]!r} of a learned metric, "
                "of which the config says nothing; restore the checkpoint."
            )
        return None
    learned: str = checkpoint.get("metric", "learned", kind=str)
    if learned != _LEARNED:
        raise CheckpointError(
            f"{checkpoint.folder} compares prompts by the metric {learned!r}, which this routectl "
            "cannot; upgrade routectl."
        )
    numbers: int = checkpoint.get("metric", "dimension", kind=int)
    features = read_features(checkpoint, tensors, embedded)
    width = embedded + (features.question_length is not None)
    return Metric(
        features,
        require(tensors, _TENSOR, (numbers, width), checkpoint),
        require(tensors, _OFFSET, (numbers,), checkpoint),
    )
