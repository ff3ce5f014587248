"""Slower routers as teachers: what they score is learned in place of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from routectl.errors import InputError
from routectl.records import ModelPair, RouterSpec
from routectl.routers import OpenRouter, open_spec
from routectl.training.output.partial import PartialRun
from routectl.training.progress import Progress
from routectl.training.scored import kept_scores, open_for, spelled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NO_EXTREME = 1e-9
"""A score of 0 or 1, whose log-odds are infinite, counts as one that is so near."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What teachers say of n prompts, and who they are."""

    odds: NDArray[np.float64]
    """How much harder than a usual prompt each is, shape (n,); see `mean_odds`."""
    specs: tuple[RouterSpec, ...]
    """As they were named."""
    teachers: tuple[OpenRouter, ...]

    @property
    def parts(self) -> tuple[Path | None, ...]:
        """Their checkpoints."""
        return tuple(teacher.description.checkpoint for teacher in self.teachers)

    @property
    def config(self) -> dict[str, object]:
        """What a pupil's config says of them."""
        identities = [teacher.identity for teacher in self.teachers]
        named = [{"router": one.name, "fingerprint": one.fingerprint} for one in identities]
        return {"teachers": named}

    @property
    def named(self) -> str:
        """Their names, for the settings in a model card."""
        return ", ".join(map(spelled, self.specs))

    @property
    def introduced(self) -> str:
        """Their names and fingerprints, for the introduction of one."""
        return " and ".join(
            f"**{spelled(spec)}** (fingerprint\n`{teacher.identity.fingerprint}`)"
            for spec, teacher in zip(self.specs, self.teachers, strict=True)
        )


def ask(
    teachers: Sequence[RouterSpec],
    pair: ModelPair,
    prompts: Sequence[str],
    partial: PartialRun,
    on_progress: Progress,
) -> Lesson:
    """Have teachers score prompts, for this pair where they know models.

    What a stopped run scored is not scored again.

    Raises:
        RouterError: no such router, or one that does not know the pair.
        CheckpointError: a teacher's checkpoint is damaged.
        InputError: a score is no finite number, or a teacher scores all prompts alike.
    """
    opened = tuple(open_for(teacher, pair) for teacher in teachers)
    scores = kept_scores(opened, prompts, partial, on_progress)
    return Lesson(mean_odds(scores), tuple(teachers), opened)


def fingerprints(teachers: Sequence[RouterSpec]) -> list[str]:
    """By which a stopped training knows that it goes on with the same teachers."""
    return [open_spec(teacher).identity.fingerprint for teacher in teachers]


def mean_odds(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """What teachers say together.

    Routers use the range from 0 to 1 differently; some keep close to 1/2, and differences that
    small would hardly be learned. So each teacher's log-odds are standardised, and so is their
    mean. The order of a single teacher is kept.

    Args:
        scores: of k teachers on n prompts, shape (k, n), in [0, 1].

    Returns:
        Shape (n,), of mean 0 and standard deviation 1.

    Raises:
        InputError: a teacher scores all prompts alike, or they all contradict each other.
    """
    import numpy as np

    inside = np.clip(scores, _NO_EXTREME, 1 - _NO_EXTREME)
    return _standardised(_standardised(np.log(inside) - np.log1p(-inside)).mean(axis=0))


def _standardised(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Along the last axis."""
    spread = odds.std(axis=-1, keepdims=True)
    if not (spread > 0).all():
        raise InputError(
            "The teacher scores all prompts alike, so nothing can be learned from it; name another."
        )
    standardised: NDArray[np.float64] = (odds - odds.mean(axis=-1, keepdims=True)) / spread
    return standardised


def shares_of_classes(odds: NDArray[np.float64], *, won: int, lost: int) -> NDArray[np.float32]:
    """Three classes' shares that say what teachers say.

    A usual prompt is near one half, one a standard deviation harder at 0.73.

    Args:
        odds: as of `mean_odds`, shape (n,).
        won: the class of what the strong model would have won.
        lost: the class of the rest.

    Returns:
        Shape (n, 3); rows sum to 1.
    """
    import numpy as np

    shares = np.zeros((len(odds), 3), dtype=np.float32)
    shares[:, won] = 1 / (1 + np.exp(-odds))
    shares[:, lost] = 1 - shares[:, won]
    return shares


def regress(
    vectors: NDArray[np.float32],
    odds: NDArray[np.float64],
    weight: NDArray[np.float64],
    precision: float,
) -> tuple[NDArray[np.float64], float]:
    """The direction and the offset in which vectors say what teachers say: ridge regression.

    Args:
        vectors: shape (n, D).
        odds: shape (n,).
        weight: what each prompt counts, shape (n,), above 0.
        precision: of the normal prior on the direction, > 0, in the unit of weights.

    Returns:
        Shape (D,), and the offset, on which there is no prior.
    """
    import numpy as np

    x = vectors.astype(np.float64)
    centre = np.average(x, axis=0, weights=weight)
    mean = float(np.average(odds, weights=weight))
    x -= centre
    curvature = (x * weight[:, None]).T @ x + precision * np.eye(x.shape[1])
    direction = np.linalg.solve(curvature, x.T @ (weight * (odds - mean)))
    return direction.astype(np.float64), float(mean - centre @ direction)


def agreement_loss(odds: NDArray[np.float64], said: NDArray[np.float64]) -> float:
    """Mean cross-entropy in nats of what is said against what teachers say, shape (n,) each.

    It is that of the shares of the two classes; a pupil that agrees is at their entropy.
    """
    import numpy as np

    target = 1 / (1 + np.exp(-odds))
    return float((np.logaddexp(0, said) - target * said).mean())
