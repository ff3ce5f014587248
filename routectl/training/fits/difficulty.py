"""The fit of `mf`: one direction, how difficult a prompt is, by Newton's method.

Every model has a rating r_M (Bradley and Terry's, over all data), and the logit of model a against
model b on a prompt with vector q is

    intercept(task, a) - intercept(task, b) + (r_a - r_b) * (q . v)

with one direction v for all pairs: the better a model, the more it gains where q . v is large.
Three things set it apart from the published fit of a vector for each model, each of which was
better on tasks that were left out of the training (research/routers.md):

- *Levels*: how models do on a task as a whole is taken out by their ratings within that task. Only
  what differs between the prompts of one task is learned, and not which data set a prompt is like.
- *A perfect answer* plays too, against every model that has gold labels. Between two real models a
  prompt that both fail looks like one that both get right.
- *A normal prior* on v, instead of early stopping.

A prompt's comparisons depend on v through one number, t = q . v. So a step of Newton's method
needs one gradient and one curvature a prompt, and a solve in as many unknowns as a vector has
numbers. The curvature hardly changes from step to step, so its matrix, which is most of the work,
is computed again only where a step brought too little. The problem is convex, the answer has no
seed, and a few steps reach it.

What is stored has the form of section 4.2.2 of RouteLLM, with two dimensions: a model's vector is
(r_M, sqrt(1 - r_M^2)) with ratings scaled into [-1, 1], and only the first dimension has a weight.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routectl.preferences.comparisons import Comparisons, bradley_terry
from routectl.training.fits.curve import LossCurve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PERFECT_WEIGHT = 0.3
"""What a row's comparisons with a perfect answer weigh together; those among models weigh 1. Chosen
by leaving tasks out."""
_CONVERGED = 1e-9
"""Expected fall of the loss per unit of weight (half of Newton's decrement) at which it stops."""
_TOO_LITTLE = 0.1
"""The curvature is computed again where the expected fall is more than this share of the last."""


@dataclass(frozen=True, slots=True)
class DifficultySettings:
    """How the fit is done. The values were chosen by leaving tasks out, see research/routers.md."""

    precision: float = 100.0
    """Of the normal prior on v, in the unit of weights."""
    max_steps: int = 25


@dataclass(frozen=True, slots=True)
class Fit:
    """The factors of section 4.2.2 of RouteLLM. M models, d = 2 dimensions, D numbers a vector."""

    model_vectors: NDArray[np.float32]
    """Shape (M, d), rows of length 1."""
    projection: NDArray[np.float32]
    """W1, shape (d, D)."""
    weights: NDArray[np.float32]
    """w2, shape (d,)."""
    curve: LossCurve
    """Its baseline: the models' ratings alone, which know nothing of the prompt."""


def fit_difficulty(
    vectors: NDArray[np.float32],
    training: Comparisons,
    held_out: Comparisons,
    settings: DifficultySettings,
    on_step: Callable[[int, int], None],
) -> Fit:
    """Find v, and lay it out as factors.

    The curve's losses are weighted mean cross-entropies of comparisons, in nats, after each step;
    those with the perfect answer are part of both. Nothing is chosen by the held-out loss.

    Args:
        vectors: shape (prompts, D).
        on_step: called after each step with the number done and the number at most.
    """
    import numpy as np

    games = _Games.of(training)
    rating, task_intercepts = _ratings(games)
    seen = _Problem(games, rating, task_intercepts)
    measured = _Problem(_Games.of(held_out), rating, task_intercepts)
    rows = vectors[seen.prompts]
    x = rows.astype(np.float64)
    x_measured = vectors[measured.prompts].astype(np.float64)
    direction = np.zeros(vectors.shape[1])
    losses: list[tuple[float, float]] = []
    inverse, fall, last_fall, total = None, math.inf, math.inf, games.weight.sum()
    for step in range(1, settings.max_steps + 1):
        gradient, curvature = seen.derivatives(x @ direction)
        slope = gradient @ x + settings.precision * direction
        if inverse is None or fall > _TOO_LITTLE * last_fall:
            inverse = _inverse(rows, curvature, settings.precision)
        move = inverse @ slope
        direction = direction - move
        last_fall, fall = fall, float(slope @ move) / 2
        losses.append((seen.loss(x @ direction), measured.loss(x_measured @ direction)))
        on_step(step, settings.max_steps)
        if fall < _CONVERGED * total:
            break
    on_step(settings.max_steps, settings.max_steps)
    return _as_factors(
        direction,
        rating[:-1],
        LossCurve(
            training=tuple(loss for loss, _ in losses),
            held_out=tuple(loss for _, loss in losses),
            best_epoch=len(losses),
            baseline=measured.loss(np.zeros(len(measured.prompts))),
        ),
    )


def _inverse(
    rows: NDArray[np.float32], curvature: NDArray[np.float64], precision: float
) -> NDArray[np.float64]:
    """Of the loss's matrix of second derivatives. In single precision: it only says where to step.

    Where the steps end is decided by the slope, which is computed in double precision.
    """
    import numpy as np

    root = np.sqrt(curvature).astype(np.float32)
    scaled = rows * root[:, None]
    hessian = (scaled.T @ scaled).astype(np.float64) + precision * np.eye(rows.shape[1])
    return np.linalg.inv(hessian).astype(np.float64)


def _as_factors(
    direction: NDArray[np.float64], rating: NDArray[np.float64], curve: LossCurve
) -> Fit:
    import numpy as np

    scale = float(np.abs(rating).max()) or 1.0
    first = rating / scale
    projection = np.zeros((2, len(direction)), dtype=np.float32)
    projection[0] = direction * scale
    return Fit(
        model_vectors=np.stack([first, np.sqrt(1 - first**2)], axis=1).astype(np.float32),
        projection=projection,
        weights=np.array([1.0, 0.0], dtype=np.float32),
        curve=curve,
    )


@dataclass(frozen=True, slots=True)
class _Games:
    """Comparisons among models and with the perfect answer, which is one model more, the last."""

    models: int
    tasks: int
    prompt: NDArray[np.int64]
    task: NDArray[np.int64]
    a: NDArray[np.int64]
    b: NDArray[np.int64]
    outcome: NDArray[np.float64]
    weight: NDArray[np.float64]

    @classmethod
    def of(cls, comparisons: Comparisons) -> _Games:
        import numpy as np

        models, short = len(comparisons.models), comparisons.vs_perfect
        prompt = np.concatenate((comparisons.prompt, short.prompt)).astype(np.int64)
        return cls(
            models + 1,
            int(comparisons.task.max(initial=0)) + 1,
            prompt,
            comparisons.task[prompt].astype(np.int64),
            np.concatenate((comparisons.model_a, np.full(len(short.model), models))),
            np.concatenate((comparisons.model_b, short.model)),
            np.concatenate((comparisons.outcome, short.outcome)).astype(np.float64),
            np.concatenate((comparisons.weight, PERFECT_WEIGHT * short.weight)).astype(np.float64),
        )


def _ratings(games: _Games) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ratings over all tasks, scaled to a spread of 1, and the task intercepts (tasks, models)."""
    import numpy as np

    count = games.models
    wins = np.zeros((games.tasks, count, count))
    np.add.at(wins, (games.task, games.a, games.b), games.weight * games.outcome)
    np.add.at(wins, (games.task, games.b, games.a), games.weight * (1 - games.outcome))
    rating = bradley_terry(wins.sum(axis=0))
    by_task = np.stack([bradley_terry(of_task) for of_task in wins])
    return rating / (float(rating.std()) or 1.0), by_task


class _Problem:
    """The loss as a function of t, one number a prompt."""

    def __init__(
        self, games: _Games, rating: NDArray[np.float64], task_intercepts: NDArray[np.float64]
    ) -> None:
        import numpy as np

        self.prompts, self._row = np.unique(games.prompt, return_inverse=True)
        self._gap = rating[games.a] - rating[games.b]
        self._offset = task_intercepts[games.task, games.a] - task_intercepts[games.task, games.b]
        self._outcome, self._weight = games.outcome, games.weight

    def loss(self, t: NDArray[np.float64]) -> float:
        """Weighted mean cross-entropy, in nats."""
        import numpy as np

        logits = self._offset + self._gap * t[self._row]
        losses = np.logaddexp(0, logits) - self._outcome * logits
        return float(self._weight @ losses / self._weight.sum())

    def derivatives(
        self, t: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """First and second derivatives of the weighted sum of losses by each prompt's t."""
        import numpy as np

        won = 1 / (1 + np.exp(-(self._offset + self._gap * t[self._row])))
        weighted = self._weight * self._gap
        slopes: NDArray[np.float64] = weighted * (won - self._outcome)
        curvatures: NDArray[np.float64] = weighted * self._gap * won * (1 - won)
        first, second = np.zeros(len(t)), np.zeros(len(t))
        np.add.at(first, self._row, slopes)
        np.add.at(second, self._row, curvatures)
        return first, second
