"""Distillation: the scores of slower routers are learned in place of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from routectl.errors import InputError
from routectl.escaping import markdown
from routectl.records import ModelPair, RouterSpec
from routectl.routers import OpenRouter, open_spec
from routectl.training.output.partial import PartialRun
from routectl.training.progress import Progress
from routectl.training.scored import kept_scores, open_for, spelled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NO_EXTREME = 1e-9
"""A score of 0 or 1, whose logit is infinite, counts as one that is so near."""


@dataclass(frozen=True, slots=True)
class TeacherScores:
    """The scores of n prompts by one teacher or more, and who the teachers are."""

    logits: NDArray[np.float64]
    """Their mean, standardised, shape (n,); see `mean_logits`."""
    specs: tuple[RouterSpec, ...]
    """As they were named."""
    teachers: tuple[OpenRouter, ...]

    @property
    def parts(self) -> tuple[Path | None, ...]:
        """Their checkpoints."""
        return tuple(teacher.description.checkpoint for teacher in self.teachers)

    @property
    def config(self) -> dict[str, object]:
        """The entry of a student's config that names them."""
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
            f"**{markdown(spelled(spec))}** (fingerprint\n`{teacher.identity.fingerprint}`)"
            for spec, teacher in zip(self.specs, self.teachers, strict=True)
        )


def score_with_teachers(
    teachers: Sequence[RouterSpec],
    pair: ModelPair,
    prompts: Sequence[str],
    partial: PartialRun,
    on_progress: Progress,
) -> TeacherScores:
    """Have teachers score prompts, for this pair where they know models.

    What a stopped run scored is not scored again.

    Raises:
        RouterError: no such router, or one that does not know the pair.
        CheckpointError: a teacher's checkpoint is damaged.
        InputError: a score is no finite number, or a teacher scores all prompts alike.
    """
    opened = tuple(open_for(teacher, pair) for teacher in teachers)
    scores = kept_scores(opened, prompts, partial, on_progress)
    return TeacherScores(mean_logits(scores), tuple(teachers), opened)


def fingerprints(teachers: Sequence[RouterSpec]) -> list[str]:
    """Fingerprints: a stopped training goes on only with the same teachers."""
    return [open_spec(teacher).identity.fingerprint for teacher in teachers]


def mean_logits(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The teachers' mean logit of each prompt, standardised.

    Routers use the range from 0 to 1 differently; some keep close to 1/2, and differences that
    small would hardly be learned. So each teacher's logits are standardised, and so is their mean.
    The order of a single teacher is kept.

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


def _standardised(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Along the last axis."""
    spread = logits.std(axis=-1, keepdims=True)
    if not (spread > 0).all():
        raise InputError(
            "The teacher scores all prompts alike, so nothing can be learned from it; name another."
        )
    standardised: NDArray[np.float64] = (logits - logits.mean(axis=-1, keepdims=True)) / spread
    return standardised


def shares_of_classes(logits: NDArray[np.float64], *, won: int, lost: int) -> NDArray[np.float32]:
    """The teachers' probabilities as shares of three classes, of which two are used.

    A prompt of the mean logit has 0.5 of each, one a standard deviation harder 0.73 of `won`.

    Args:
        logits: as of `mean_logits`, shape (n,).
        won: the class of what the strong model would have won.
        lost: the class of the rest.

    Returns:
        Shape (n, 3); rows sum to 1.
    """
    import numpy as np

    shares = np.zeros((len(logits), 3), dtype=np.float32)
    shares[:, won] = 1 / (1 + np.exp(-logits))
    shares[:, lost] = 1 - shares[:, won]
    return shares


def regress(
    vectors: NDArray[np.float32],
    logits: NDArray[np.float64],
    weight: NDArray[np.float64],
    precision: float,
) -> tuple[NDArray[np.float64], float]:
    """Ridge regression of the teachers' logits on vectors: a direction and an offset.

    Args:
        vectors: shape (n, D).
        logits: shape (n,).
        weight: what each prompt counts, shape (n,), above 0.
        precision: of the normal prior on the direction, > 0, in the unit of weights.

    Returns:
        Shape (D,), and the offset, on which there is no prior.
    """
    import numpy as np

    x = vectors.astype(np.float64)
    centre = np.average(x, axis=0, weights=weight)
    mean = float(np.average(logits, weights=weight))
    x -= centre
    curvature = (x * weight[:, None]).T @ x + precision * np.eye(x.shape[1])
    direction = np.linalg.solve(curvature, x.T @ (weight * (logits - mean)))
    return direction.astype(np.float64), float(mean - centre @ direction)


def distillation_loss(
    teacher_logits: NDArray[np.float64], student_logits: NDArray[np.float64]
) -> float:
    """Mean cross-entropy in nats of a student's probabilities against its teachers'.

    Args:
        teacher_logits: as of `mean_logits`, shape (n,).
        student_logits: of the same prompts, shape (n,).

    Returns:
        At least the mean entropy of the teachers' probabilities, which a student that equals them
        has.
    """
    import numpy as np

    target = 1 / (1 + np.exp(-teacher_logits))
    return float((np.logaddexp(0, student_logits) - target * student_logits).mean())
