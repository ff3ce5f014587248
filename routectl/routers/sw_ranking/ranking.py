"""What a `sw_ranking` checkpoint holds, and the ratings that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from routectl.checkpoint import Checkpoint, require
from routectl.errors import CheckpointError, RouterError
from routectl.records import ModelPair
from routectl.routers.sw_ranking.bradley_terry import even, fit, statistics_width, tier_pairs
from routectl.routers.sw_ranking.metric import METRIC_TENSORS
from routectl.routers.sw_ranking.neighbours import Neighbours

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TENSORS = ("vectors", "counts", "group", "noise")


@dataclass(frozen=True, slots=True)
class Ranking:
    """Prompts, the outcomes of their battles, and the tiers of the models."""

    models: tuple[str, ...]
    tiers: tuple[int, ...]
    """Of each model; 0 is the strongest, and none is empty."""
    vectors: NDArray[np.floating]
    """Of the prompts, shape (N, D); half precision in a checkpoint of routectl's own."""
    counts: NDArray[np.float32]
    """Distinct rows of statistics, see `bradley_terry`: shape (G, F)."""
    group: NDArray[np.int32]
    """Which row of `counts` each prompt has: shape (N,), ascending."""
    prior: float
    """Ties between each two tiers that are added to the battles; one weighs as a battle on a prompt
    of similarity 0."""
    noise: NDArray[np.float32]
    """Of the strong win rate of each tier against each, shape (T, T); see `noise.py`."""

    @property
    def tier_count(self) -> int:
        return max(self.tiers) + 1

    def tiers_of(self, pair: ModelPair) -> tuple[int, int]:
        """The tiers of the strong and of the weak model.

        Raises:
            RouterError: they are one tier, whose models are named.
        """
        strong, weak = (self.tiers[self.models.index(name)] for name in (pair.strong, pair.weak))
        if strong == weak:
            mates = [m for m, tier in zip(self.models, self.tiers, strict=True) if tier == strong]
            raise RouterError(
                f"sw_ranking cannot tell {pair.strong} from {pair.weak}: they are of one tier, "
                f"with the same rating ({', '.join(mates)}); choose a model outside it."
            )
        return strong, weak


class Ratings:
    """Ratings of the tiers, prompt by prompt."""

    def __init__(self, ranking: Ranking) -> None:
        """Prepare the fits.

        Raises:
            RouterError: the battles give the tiers no ratings.
        """
        import numpy as np

        self._tiers = ranking.tier_count
        self._prior = even(self._tiers, ranking.prior)
        counts = ranking.counts.astype(np.float64)
        self.neighbours = Neighbours(ranking.vectors.astype(np.float32), counts, ranking.group)
        self.unweighted = fit((self.neighbours.total + self._prior)[None], self._tiers)[0]
        """As if every prompt resembled every other, shape (T,)."""

    def statistics(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of each prompt, the prior in them: shape (n, F)."""
        return self.neighbours.statistics(vectors) + self._prior

    def of(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Shape (n, T), log-odds; the last tier's is 0.

        Args:
            vectors: of the prompts, shape (n, D).
        """
        return fit(self.statistics(vectors), self._tiers, self.unweighted)


def read_ranking(
    checkpoint: Checkpoint, tensors: Mapping[str, NDArray[Any]], dimension: int
) -> Ranking:
    """The ranking in a checkpoint, of vectors of `dimension` numbers.

    Raises:
        CheckpointError: something is missing, unknown, or of another shape than the config says;
            a tier is empty, counts that cannot be.
    """
    import numpy as np

    path = checkpoint.weights_path
    unknown = sorted(set(tensors) - {*TENSORS, *METRIC_TENSORS, "probe"})
    if unknown:
        raise CheckpointError(
            f"{path} holds a tensor that sw_ranking does not know ({unknown[0]!r}); restore the "
            "checkpoint or upgrade routectl."
        )
    models = tuple(str(name) for name in checkpoint.get("models", kind=list))
    tiers = _tiers(checkpoint, models)
    prompts: int = checkpoint.get("prompts", kind=int)
    rows: int = checkpoint.get("count_rows", kind=int)
    prior: float = checkpoint.get("prior", kind=(int, float))
    count = max(tiers) + 1
    ranking = Ranking(
        models,
        tiers,
        require(tensors, "vectors", (prompts, dimension), checkpoint),
        require(tensors, "counts", (rows, statistics_width(count)), checkpoint),
        require(tensors, "group", (prompts,), checkpoint, dtypes=("int32",)),
        float(prior),
        require(tensors, "noise", (count, count), checkpoint),
    )
    if not np.linalg.norm(ranking.vectors.astype(np.float32), axis=1).all():
        raise CheckpointError(f"{path}: a prompt's vector is zero.")
    pairs = len(tier_pairs(count)[0])
    met, wins = (part.sum(axis=1) for part in np.split(ranking.counts, [pairs], axis=1))
    if (ranking.counts < 0).any() or not np.allclose(met, wins, rtol=1e-4) or not prior >= 0:
        raise CheckpointError(
            f"{path}: 'counts' or the prior in the config cannot be: there are battles without a "
            "winner, or fewer than none; restore the checkpoint."
        )
    steps = np.diff(ranking.group, prepend=0, append=rows - 1)
    if prompts < 1 or (steps < 0).any():
        raise CheckpointError(f"{path}: 'group' must ascend and name rows of 'counts'.")
    return ranking


def _tiers(checkpoint: Checkpoint, models: tuple[str, ...]) -> tuple[int, ...]:
    tiers: list[Any] = checkpoint.get("tiers", kind=list)
    names = sorted({tier for tier in tiers if type(tier) is int})
    if len(tiers) != len(models) or len(names) < 2 or names != list(range(len(names))):
        raise CheckpointError(
            f"{checkpoint.folder}: 'tiers' in the config must name a tier for each of the "
            f"{len(models)} models, from 0 up, with none left empty."
        )
    return tuple(tiers)
