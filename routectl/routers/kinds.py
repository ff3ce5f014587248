"""Clusters of prompts: difficulty may have a direction of its own among prompts that are alike.

What makes a word problem hard is not what makes a question about law hard. One direction for all
prompts is a compromise between the clusters of the training; here each cluster adds a direction of
its own that counts near it and fades with the distance, so that far from all clusters the common
direction alone is left. With q the prompt's vector and s its sentence embedding, of length 1, the
extra features of each cluster k are

    near_k * (C q - m_k)    with    near_k = exp((s . c_k - o_k) / T)

C are the first principal components of the training's vectors, m_k their mean in the cluster, so
that no cluster as a whole becomes harder or easier than another; c_k is its centre, and o_k makes
near_k 1 on average over its prompts.

The option `--kinds`, the key "kinds" of a config and the tensors `kind_*` keep that name, because
checkpoints that ship hold it and it is part of their fingerprints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from routectl.checkpoint import Checkpoint, require
from routectl.errors import CheckpointError, InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COMPONENTS = 24
"""Principal components in which a cluster's own direction lies."""
_TEMPERATURE = 0.1
_FREEDOM = 2.0
"""How much more freely a cluster's own direction moves than the common one, as the ratio of the
standard deviations of their normal priors. This, `COMPONENTS` and `_TEMPERATURE` were chosen by
five folds, with the benchmarks in sight, see research/routers.md."""
_STARTS = 8
"""Clusterings from random starts, of which the tightest is taken."""
_CENTRES, _OFFSETS, _MOST = "kind_centres", "kind_offsets", "kind_most"
_AXES, _MEANS = "kind_components", "kind_means"


@dataclass(frozen=True, slots=True)
class Kinds:
    """K clusters of prompts. r components, E numbers of a sentence embedding, D of a vector q."""

    centres: NDArray[np.float32]
    """Shape (K, E), rows of length 1."""
    offsets: NDArray[np.float32]
    """o, shape (K,): cosines."""
    most: NDArray[np.float32]
    """Shape (K,): the nearest that a prompt of the training came; nearer counts as near."""
    components: NDArray[np.float32]
    """C, shape (r, D), of length `_FREEDOM`."""
    means: NDArray[np.float32]
    """m, shape (K, r)."""

    @classmethod
    def fit(
        cls, sentences: NDArray[np.float32], vectors: NDArray[np.float32], count: int, seed: int
    ) -> Kinds:
        """Clusters of the prompts of a training, by their sentence embeddings.

        Args:
            sentences: shape (n, E), of any length above 0.
            vectors: q, shape (n, D).
            count: K, at most n.
            seed: of the clustering.

        Raises:
            InputError: the prompts do not fall into so many clusters.
        """
        import numpy as np

        unit = _unit(sentences.astype(np.float64))
        centres, kind = _clusters(unit, count, seed)
        cosines = unit @ centres.T
        nearness = np.exp(cosines / _TEMPERATURE)
        own = np.array([nearness[kind == k, k].mean() for k in range(count)])
        nearness /= own
        centred = (vectors - vectors.mean(axis=0)).astype(np.float64)
        _, axes = np.linalg.eigh(centred.T @ centred)
        components = _FREEDOM * axes.T[::-1][:COMPONENTS]
        means = (nearness.T @ (vectors @ components.T)) / nearness.sum(axis=0)[:, None]
        return cls(
            centres.astype(np.float32),
            (_TEMPERATURE * np.log(own)).astype(np.float32),
            nearness.max(axis=0).astype(np.float32),
            components.astype(np.float32),
            means.astype(np.float32),
        )

    @property
    def width(self) -> int:
        """Number of extra features: K times r."""
        return len(self.centres) * len(self.components)

    def near(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """How near prompts are to each cluster, shape (n, K), 1 for a usual prompt of it.

        Args:
            embeddings: shape (n, at least E); their last E numbers are the sentence embedding.
        """
        import numpy as np

        unit = _unit(embeddings[:, -self.centres.shape[1] :].astype(np.float64))
        nearness = np.exp((unit @ self.centres.T - self.offsets) / _TEMPERATURE)
        return np.minimum(nearness, self.most)

    def of(
        self, embeddings: NDArray[np.float32], vectors: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """The extra features, shape (n, `width`).

        Args:
            embeddings: as in `near`.
            vectors: q, shape (n, D).
        """
        extra: NDArray[np.float64] = self.near(embeddings)[:, :, None] * self._departures(vectors)
        return extra.reshape(len(vectors), -1)

    def _departures(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """C q - m, shape (n, K, r). In double precision, in which the size of a batch, by which a
        product is computed in another order, changes nothing that counts."""
        import numpy as np

        components: NDArray[np.float64] = vectors.astype(np.float64) @ self.components.T
        return components[:, None, :] - self.means

    def steepest(
        self,
        embeddings: NDArray[np.float32],
        vectors: NDArray[np.float32],
        of_kinds: NDArray[np.float64],
    ) -> float:
        """A bound on how fast `of` times `of_kinds` changes with the embedding, over these prompts.

        Only where q has the embedding's numbers as they are.

        Args:
            embeddings: as in `near`.
            vectors: q, shape (n, D).
            of_kinds: shape (`width`,).
        """
        import numpy as np

        weights = of_kinds.reshape(len(self.centres), -1)
        along = np.linalg.norm(weights @ self.components, axis=1)
        departures = self._departures(vectors)
        sizes = np.linalg.norm(embeddings[:, -self.centres.shape[1] :], axis=1)[:, None]
        across = np.abs((departures * weights).sum(axis=2)) / (_TEMPERATURE * sizes)
        return float((self.near(embeddings) * (along + across)).sum(axis=1).max())

    @property
    def tensors(self) -> dict[str, NDArray[Any]]:
        """What a checkpoint holds of them."""
        return {
            _CENTRES: self.centres,
            _OFFSETS: self.offsets,
            _MOST: self.most,
            _AXES: self.components,
            _MEANS: self.means,
        }

    @property
    def config(self) -> dict[str, object]:
        """What a checkpoint's config says of them, and their part of a fingerprint."""
        count, width = self.centres.shape
        return {
            "count": count,
            "components": len(self.components),
            "sentence_dimension": width,
            "temperature": _TEMPERATURE,
        }


def read_kinds(
    checkpoint: Checkpoint, tensors: Mapping[str, NDArray[Any]], embedded: int, dimension: int
) -> Kinds | None:
    """The clusters of a checkpoint; None where it has one direction for all prompts.

    Args:
        embedded: numbers of an embedding.
        dimension: D, of the vectors that they are features of.

    Raises:
        CheckpointError: a part is missing, of another shape than the config says, or cannot be.
    """
    import numpy as np

    if "kinds" not in checkpoint.config:
        return None
    count: int = checkpoint.get("kinds", "count", kind=int)
    components: int = checkpoint.get("kinds", "components", kind=int)
    width: int = checkpoint.get("kinds", "sentence_dimension", kind=int)
    temperature: float = checkpoint.get("kinds", "temperature", kind=(int, float))
    if temperature != _TEMPERATURE or min(count, components, width) < 1 or width > embedded:
        raise CheckpointError(
            f"{checkpoint.folder} has clusters of prompts that this routectl cannot use; upgrade "
            "routectl or restore the checkpoint."
        )
    kinds = Kinds(
        require(tensors, _CENTRES, (count, width), checkpoint),
        require(tensors, _OFFSETS, (count,), checkpoint),
        require(tensors, _MOST, (count,), checkpoint),
        require(tensors, _AXES, (components, dimension), checkpoint),
        require(tensors, _MEANS, (count, components), checkpoint),
    )
    if not (np.linalg.norm(kinds.centres, axis=1).all() and (kinds.most > 0).all()):
        raise CheckpointError(
            f"{checkpoint.weights_path}: a cluster of prompts has no centre, or no prompt near it; "
            "restore the checkpoint."
        )
    return kinds


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    unit: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _clusters(
    unit: NDArray[np.float64], count: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Centres of length 1, shape (count, E), and each row's cluster, shape (n,), by k-means."""
    import numpy as np
    from scipy.cluster.vq import ClusterError, kmeans2

    generator = np.random.default_rng([seed, 2])
    best: tuple[float, NDArray[np.float64], NDArray[np.int64]] | None = None
    for _ in range(_STARTS):
        try:
            with np.errstate(invalid="ignore"):  # of prompts that are all alike
                centres, kind = kmeans2(
                    unit, count, iter=100, minit="++", seed=generator, missing="raise"
                )
        except ClusterError:  # a cluster was left empty; another start may do
            continue
        loose = float(((unit - centres[kind]) ** 2).sum())
        if best is None or loose < best[0]:
            best = loose, centres, kind.astype(np.int64)
    if best is None:
        raise InputError(
            f"The prompts do not fall into {count} clusters, because too many are alike; ask for "
            "fewer, with --kinds."
        )
    _, centres, kind = best
    return centres / np.linalg.norm(centres, axis=1, keepdims=True), kind
