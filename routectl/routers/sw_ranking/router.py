"""The `sw_ranking` router: a checkpoint, a model pair, an embedder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from routectl.checkpoint import SHIPPED, read_checkpoint, read_weights
from routectl.records import RouterIdentity
from routectl.routers.embedded import read_embedder
from routectl.routers.pairs import choose_pair, default_pair
from routectl.routers.protocol import EXTRACTION_FACT, OpenRouter, fingerprint
from routectl.routers.sw_ranking.metric import Metric, read_metric
from routectl.routers.sw_ranking.noise import SAFETY_FACTOR
from routectl.routers.sw_ranking.ranking import Ranking, Ratings, read_ranking

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.embedding import Embedder

SUMMARY = "Bradley-Terry ratings from the battles on similar prompts (RouteLLM, section 4.2.1)"


def open_router(
    checkpoint: Path | None, strong_model: str | None, weak_model: str | None
) -> OpenRouter:
    """Open a sw_ranking checkpoint for a model pair; None takes the checkpoint's default.

    Args:
        checkpoint: a folder of routectl's own.

    Raises:
        RouterError: the checkpoint does not know a model, or both are of one tier.
        CheckpointError: the checkpoint is missing, damaged or of another kind.
    """
    folder = SHIPPED / "sw_ranking_3" if checkpoint is None else checkpoint
    saved = read_checkpoint(folder, "sw_ranking")
    tensors, digest = read_weights(saved)
    embedder = read_embedder(saved, tensors)
    metric = read_metric(saved, tensors, embedder.dimension)
    compared = embedder.dimension if metric is None else len(metric.offset)
    ranking = read_ranking(saved, tensors, compared)
    default = default_pair(saved, ranking.models)
    pair = choose_pair(strong_model, weak_model, default, ranking.models)
    strong, weak = ranking.tiers_of(pair)
    facts: dict[str, object] = {
        "router": "sw_ranking",
        "weights": digest,
        "prior": ranking.prior,
        # Models of one tier score alike, and are not the same router all the same.
        "tiers": list(ranking.tiers),
        **embedder.facts,
        "strong_model": pair.strong,
        "weak_model": pair.weak,
        "extraction": EXTRACTION_FACT,
        **({} if metric is None else metric.config),
    }
    noise = SAFETY_FACTOR * float(ranking.noise[strong, weak])
    identity = RouterIdentity("sw_ranking", fingerprint(facts), pair, noise, facts)
    description = embedder.description(
        "sw_ranking",
        SUMMARY,
        saved,
        ranking.models,
        default,
        with_question=metric is not None and metric.features.question_length is not None,
    )

    def load() -> SwRankingRouter:
        return SwRankingRouter(identity, ranking, (strong, weak), embedder.load(), metric)

    return OpenRouter(identity, description, load, embedder.shares)


class SwRankingRouter:
    """Similarity-weighted ranking for one model pair."""

    def __init__(
        self,
        identity: RouterIdentity,
        ranking: Ranking,
        tiers: tuple[int, int],
        embedder: Embedder,
        metric: Metric | None = None,
    ) -> None:
        """Prepare to score.

        Args:
            tiers: of the strong and of the weak model, not the same.
            metric: what is compared of the embeddings; None is these as they are.

        Raises:
            RouterError: the battles give the tiers no ratings.
        """
        self.identity = identity
        self._ratings = Ratings(ranking)
        self._tiers = tiers
        self._embedder = embedder
        self._metric = metric

    def strong_win_rates(self, prompts: Sequence[str]) -> NDArray[np.float64]:
        """Shape (n,), in [0, 1]."""
        vectors = self._embedder.embed(prompts)
        if self._metric is not None:
            vectors = self._metric.of(vectors, prompts)
        ratings = self._ratings.of(vectors)
        return win_rates(ratings, *self._tiers)

    def longer_than_read(self, prompts: Sequence[str]) -> NDArray[np.bool_]:
        """Shape (n,): True where the prompt has more tokens than the embedder reads."""
        return self._embedder.longer_than_read(prompts)


def win_rates(
    ratings: NDArray[np.float64],
    first: int | NDArray[np.integer],
    second: int | NDArray[np.integer],
) -> NDArray[np.float64]:
    """Of one tier against another, shape (n,), from ratings of shape (n, T)."""
    import numpy as np

    from routectl.routers.mf import sigmoid

    rows = np.arange(len(ratings))
    return sigmoid(ratings[rows, first] - ratings[rows, second])
