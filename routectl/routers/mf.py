"""Matrix factorization, section 4.2.2 of RouteLLM (arXiv 2406.18665).

The score of model M on a prompt whose vector is q is `w2 . (v_M * (W1 q))`, with v_M of length 1;
the strong win rate is the sigmoid of the strong model's score less the weak model's. For a fixed
pair that collapses to `sigmoid(q . v)` with `v = W1^T (w2 * (v_strong - v_weak))`.

q is the prompt's embedding, standardised where the checkpoint says how (`standardised.py`); where
it says so, the length of its question is an extra feature (`question_length.py`), and clusters of
prompts have directions of their own (`kinds.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.checkpoint import (
    SHIPPED,
    Checkpoint,
    read_checkpoint,
    read_weights,
    require,
)
from routectl.errors import CheckpointError
from routectl.records import ModelPair, RouterIdentity
from routectl.routers.embedded import read_embedder
from routectl.routers.features import Features, read_features
from routectl.routers.pairs import choose_pair, default_pair
from routectl.routers.protocol import EXTRACTION_FACT, OpenRouter, fingerprint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.embedding import Embedder

SUMMARY = "matrix factorization over the prompt's embedding (RouteLLM, section 4.2.2)"


@dataclass(frozen=True, slots=True)
class Factors:
    """The trained weights. M models, d dimensions, D those of the embedding and the extra
    features."""

    models: tuple[str, ...]
    model_vectors: NDArray[Any]
    """Shape (M, d); rows need not have length 1."""
    projection: NDArray[Any]
    """W1, shape (d, D)."""
    weights: NDArray[Any]
    """w2, shape (d,)."""

    def direction(self, pair: ModelPair) -> NDArray[np.float64]:
        """v, shape (D,): the strong win rate of a prompt vector q is sigmoid(q . v)."""
        import numpy as np

        direction: NDArray[np.float64] = self.projection.astype(np.float64).T @ (
            self.difference(pair)
        )
        return direction

    def difference(self, pair: ModelPair) -> NDArray[np.float64]:
        """w2 * (v_strong - v_weak), shape (d,)."""
        import numpy as np

        vectors = self.model_vectors.astype(np.float64)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        strong, weak = (vectors[self.models.index(name)] for name in (pair.strong, pair.weak))
        difference: NDArray[np.float64] = self.weights.astype(np.float64) * (strong - weak)
        return difference


@dataclass(frozen=True, slots=True)
class Scoring:
    """Of a model pair: the logit of a prompt as a linear function of its embedding and the extra
    features."""

    direction: NDArray[np.float64]
    """Times the embedding as it is, shape (D,)."""
    offset: float = 0.0
    length_weight: NDArray[np.float64] | None = None
    """Times the question's length, shape (1,)."""
    of_kinds: NDArray[np.float64] | None = None
    """Times the features of the clusters, shape (their width,)."""

    @classmethod
    def of(
        cls,
        direction: NDArray[np.float64],
        dimension: int,
        features: Features,
    ) -> Scoring:
        """Of `Factors.direction`, for embeddings of `dimension` numbers."""
        split = dimension + (features.question_length is not None)
        toward, length_weight, of_kinds = (
            direction[:dimension],
            direction[dimension:split],
            direction[split:],
        )
        if features.standardisation is None:
            return cls(toward, 0.0, length_weight, of_kinds)
        toward = toward / features.standardisation.spread
        offset = -float(features.standardisation.centre @ toward)
        return cls(toward, offset, length_weight, of_kinds)


def open_router(
    checkpoint: Path | None, strong_model: str | None, weak_model: str | None
) -> OpenRouter:
    """Open an mf checkpoint for a model pair; None takes the checkpoint's default.

    Args:
        checkpoint: a folder of routectl's own.

    Raises:
        RouterError: the checkpoint does not know a model, or strong and weak are one.
        CheckpointError: the checkpoint is missing, damaged or of another kind.
    """
    folder = SHIPPED / "mf_9" if checkpoint is None else checkpoint
    saved = read_checkpoint(folder, "mf")
    tensors, digest = read_weights(saved)
    embedder = read_embedder(saved, tensors)
    features = read_features(saved, tensors, embedder.dimension)
    factors = read_factors(saved, tensors, features)
    default = default_pair(saved, factors.models)
    pair = choose_pair(strong_model, weak_model, default, factors.models)
    facts: dict[str, object] = {
        "router": "mf",
        "weights": digest,
        **embedder.facts,
        "strong_model": pair.strong,
        "weak_model": pair.weak,
        "extraction": EXTRACTION_FACT,
        **(
            {} if features.question_length is None else {"surface": features.question_length.config}
        ),
        **({} if features.kinds is None else {"kinds": features.kinds.config}),
    }
    scoring = Scoring.of(factors.direction(pair), embedder.dimension, features)
    identity = RouterIdentity(
        "mf",
        fingerprint(facts),
        pair,
        _noise(saved, factors, pair, scoring, embedder.noise),
        facts,
    )
    description = embedder.description(
        "mf",
        SUMMARY,
        saved,
        factors.models,
        default,
        with_question=features.question_length is not None,
    )

    def load() -> MfRouter:
        return MfRouter(identity, scoring, embedder.load(), features)

    return OpenRouter(identity, description, load, embedder.shares)


def read_factors(
    checkpoint: Checkpoint, tensors: Mapping[str, NDArray[Any]], features: Features
) -> Factors:
    """The trained weights among the tensors of a checkpoint.

    Raises:
        CheckpointError: one is missing, or of another shape than the config says.
    """
    import numpy as np

    models: list[object] = checkpoint.get("models", kind=list)
    dimension: int = checkpoint.get("dimension", kind=int)
    width: int = checkpoint.get("embedder", "dimension", kind=int)
    width += features.question_length is not None
    width += 0 if features.kinds is None else features.kinds.width
    names = tuple(str(model) for model in models)
    factors = Factors(
        names,
        require(tensors, "model_vectors", (len(names), dimension), checkpoint),
        require(tensors, "projection", (dimension, width), checkpoint),
        require(tensors, "weights", (dimension,), checkpoint),
    )
    if not np.linalg.norm(factors.model_vectors.astype(np.float64), axis=1).all():
        raise CheckpointError(f"{checkpoint.weights_path}: a model's vector is zero.")
    return factors


def score_noise(direction_length: float, embedding_noise: float) -> float:
    """A bound on what noise in the prompt's vector does to its score.

    The sigmoid's slope is at most 1/4, so |d score| <= |v| |d q| / 4 (Cauchy and Schwarz).

    Args:
        direction_length: |v|, of what the embedding is multiplied with; a length is exact.
        embedding_noise: largest |d q| between batches, measured, with its safety factor.
    """
    return direction_length * embedding_noise / 4


def _noise(
    checkpoint: Checkpoint,
    factors: Factors,
    pair: ModelPair,
    scoring: Scoring,
    embedding_noise: float,
) -> float:
    """The noise of a pair's scores, by that of the projected vectors where it was measured."""
    import numpy as np

    if "projected_noise" not in checkpoint.config:
        return score_noise(float(np.linalg.norm(scoring.direction)), embedding_noise)
    projected: float = checkpoint.get("projected_noise", kind=(int, float))
    return score_noise(float(np.linalg.norm(factors.difference(pair))), projected)


class MfRouter:
    """Matrix factorization for one model pair."""

    def __init__(
        self,
        identity: RouterIdentity,
        scoring: Scoring,
        embedder: Embedder,
        features: Features | None = None,
    ) -> None:
        self.identity = identity
        self._scoring = scoring
        self._embedder = embedder
        self._features = features or Features()

    def strong_win_rates(self, prompts: Sequence[str]) -> NDArray[np.float64]:
        """Shape (n,), in [0, 1]."""
        embeddings = self._embedder.embed(prompts)
        logits = embeddings @ self._scoring.direction + self._scoring.offset
        length_feature, kinds = self._features.question_length, self._features.kinds
        if length_feature is not None and self._scoring.length_weight is not None:
            logits = logits + length_feature.of(prompts) @ self._scoring.length_weight
        if kinds is not None and self._scoring.of_kinds is not None:
            vectors = self._features.vectors(embeddings, prompts)
            logits = logits + kinds.of(embeddings, vectors) @ self._scoring.of_kinds
        return sigmoid(logits)

    def linear_features(self, prompts: Sequence[str]) -> NDArray[np.float64]:
        """What the logit is linear in, shape (n, W): the embedding, the extra features, and 1."""
        import numpy as np

        embeddings = self._embedder.embed(prompts)
        parts: list[NDArray[Any]] = [embeddings]
        length_feature, kinds = self._features.question_length, self._features.kinds
        if length_feature is not None and self._scoring.length_weight is not None:
            parts.append(length_feature.of(prompts))
        if kinds is not None and self._scoring.of_kinds is not None:
            parts.append(kinds.of(embeddings, self._features.vectors(embeddings, prompts)))
        return np.hstack([*parts, np.ones((len(prompts), 1))], dtype=np.float64)

    @property
    def linear_weights(self) -> NDArray[np.float64]:
        """What they are multiplied with, shape (W,): the strong win rate is the sigmoid of that."""
        import numpy as np

        scoring, features = self._scoring, self._features
        parts = [scoring.direction]
        if features.question_length is not None and scoring.length_weight is not None:
            parts.append(scoring.length_weight)
        if features.kinds is not None and scoring.of_kinds is not None:
            parts.append(scoring.of_kinds)
        return np.concatenate([*parts, [scoring.offset]])

    def longer_than_read(self, prompts: Sequence[str]) -> NDArray[np.bool_]:
        """Shape (n,): True where the prompt has more tokens than the embedder reads."""
        return self._embedder.longer_than_read(prompts)


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)), without overflow at either end."""
    import numpy as np

    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)
