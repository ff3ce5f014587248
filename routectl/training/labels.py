"""What the classifiers learn from: of each prompt, how often a strong model beats a weak one.

The paper trains its BERT and causal-LLM classifiers on battles between a class of strong and one
of weak models (RouteLLM, section 4). Here the two classes lie round the default pair: strong is
who is rated no more than a third of the pair's gap below its strong model, weak is who is no more
than that above its weak model, and who is between teaches neither.

Data sets seldom ask the same models. Of a prompt that nobody of one class answered, the comparisons
of two models count that are rated as far apart as the classes' edges are, a third of the gap: the
better rated stands for strong. Without them a data set that lacks one class would teach nothing.

Where answers have graded scores, those of models about as good as the weak one say more than who
beat whom: two wrong answers are a tie, and yet no sign that the weak model was good enough. And how
a task goes as a whole is taken out by its intercept, as in `difficulty`: what is learned is which
of a task's prompts are hard, and not which task a prompt is like (see research/routers.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from routectl.errors import InputError
from routectl.model_names import canonical_names
from routectl.preferences.comparisons import Comparisons, ratings
from routectl.preferences.gold import read_gold
from routectl.records import ModelPair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.training.data import TrainingData
    from routectl.training.request import TrainingRequest

_LEAST_SHARE = 0.002
"""A class that nobody chose in a task keeps a small share, whose logarithm is finite."""
_PULLED_BY = 10.0
"""Prompts with the shares of all data that are added to each task: small tasks have hardly an
intercept."""
_MARGIN = 1 / 3
"""Of the pair's gap in rating: how far a model may be from its side's model, towards the other."""


@dataclass(frozen=True, slots=True)
class StrongWeakLabels:
    """The prompts on which a strong model met a weak one. n of them, each once."""

    prompt: NDArray[np.int32]
    """Indices into the comparisons' prompts, ascending, shape (n,)."""
    outcome: NDArray[np.float32]
    """Shares of strong wins, ties and weak wins, shape (n, 3); rows sum to 1."""
    strong_models: tuple[str, ...]
    weak_models: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.prompt)

    def of_prompts(self, wanted: NDArray[np.bool_]) -> StrongWeakLabels:
        """The labels of the prompts where `wanted`, shape (prompts,), is True."""
        rows = wanted[self.prompt]
        return StrongWeakLabels(
            self.prompt[rows], self.outcome[rows], self.strong_models, self.weak_models
        )


def strong_weak_labels(comparisons: Comparisons, pair: ModelPair) -> StrongWeakLabels:
    """A prompt's comparisons of strong with weak models, as one row of shares.

    What is more than half a win is the share of a win, and the rest that of a tie: a score
    that is higher by a ninth of the scale is a win by a ninth.

    Every prompt counts alike, however many models answered it.

    Raises:
        InputError: the pair's strong model is rated no higher than its weak one, or no strong
            model met a weak one.
    """
    import numpy as np

    rating = ratings(comparisons)
    models = comparisons.models
    strong, weak = rating[models.index(pair.strong)], rating[models.index(pair.weak)]
    if not strong > weak:
        raise InputError(
            f"{pair.strong} is rated no higher than {pair.weak} in this data, so it cannot be the "
            "strong model of the pair; swap them, or name another pair."
        )
    margin = _MARGIN * (strong - weak)
    side = np.where(rating >= strong - margin, 1, 0) - np.where(rating <= weak + margin, 1, 0)
    a, b = side[comparisons.model_a], side[comparisons.model_b]
    rows = a * b == -1
    apart = rating[comparisons.model_a] - rating[comparisons.model_b]
    of_classes = np.zeros(len(comparisons.prompts), dtype=np.bool_)
    of_classes[comparisons.prompt[rows]] = True
    rows |= (np.abs(apart) >= margin) & ~of_classes[comparisons.prompt]
    if not rows.any():
        raise InputError(
            "In this data no strong model met a weak one on a prompt; name another pair with "
            "--strong-model and --weak-model."
        )
    won = np.where(apart[rows] > 0, comparisons.outcome[rows], 1 - comparisons.outcome[rows])
    ahead, behind = np.clip(2 * won - 1, 0, None), np.clip(1 - 2 * won, 0, None)
    shares = np.stack([ahead, 1 - ahead - behind, behind], axis=1)
    prompt, position = np.unique(comparisons.prompt[rows], return_inverse=True)
    outcome = np.zeros((len(prompt), 3))
    np.add.at(outcome, position, comparisons.weight[rows, None] * shares)
    outcome /= outcome.sum(axis=1, keepdims=True)
    return StrongWeakLabels(
        prompt.astype(np.int32),
        outcome.astype(np.float32),
        tuple(model for model, its in zip(models, side, strict=True) if its == 1),
        tuple(model for model, its in zip(models, side, strict=True) if its == -1),
    )


def weak_quality(request: TrainingRequest, data: TrainingData) -> NDArray[np.float32]:
    """Of each prompt, the mean score of the models that are rated about as the weak one is.

    About is within a third of the pair's gap, above or below: those far below fail where the weak
    model would not. A score is divided by the best that any model has in the same file.

    Returns:
        Shape (prompts,), 0 to 1; NaN where no such model has a gold label.
    """
    import numpy as np

    rating = dict(zip(data.comparisons.models, ratings(data.comparisons), strict=True))
    margin = (rating[data.pair.strong] - rating[data.pair.weak]) / 3
    near = {m for m, r in rating.items() if abs(r - rating[data.pair.weak]) <= margin}
    position = {prompt: row for row, prompt in enumerate(data.comparisons.prompts)}
    quality = np.full(len(position), np.nan, dtype=np.float32)
    for path in request.gold:
        rows = list(read_gold(path, request.conditions))
        name = canonical_names(sorted({m for row in rows for m in row.scores}))
        best = max((score for row in rows for score in row.scores.values()), default=1.0)
        for row in rows:
            scores = [score / best for m, score in row.scores.items() if name[m] in near]
            if scores and row.prompt in position:
                quality[position[row.prompt]] = np.clip(np.mean(scores), 0, 1)
    return quality


def with_graded_scores(
    outcome: NDArray[np.float32], quality: NDArray[np.float32], *, won: int, lost: int
) -> NDArray[np.float32]:
    """Shares of classes, with graded scores in place of who beat whom, where there are some.

    Args:
        outcome: shares of k classes, shape (n, k), rows sum to 1.
        quality: as `weak_quality` has it, of the same n prompts.
        won: the class of an answer that was not good enough, which a strong model would have won.
        lost: the class of one that was.
    """
    import numpy as np

    shares = outcome.copy()
    has_quality = ~np.isnan(quality)
    shares[has_quality] = 0
    shares[has_quality, won] = 1 - quality[has_quality]
    shares[has_quality, lost] = quality[has_quality]
    return shares


def task_intercepts(
    shares: NDArray[np.float32], task: NDArray[np.int32], learned: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """How far the classes' log shares in a prompt's task lie from those in all data, in nats.

    Added to logits while learning and measuring, and to none when scoring.

    Args:
        shares: of k classes, shape (n, k), rows sum to 1.
        task: of each prompt, shape (n,).
        learned: shape (n,); only these decide, a task without any has the intercept 0.
    """
    import numpy as np

    def log(mean: NDArray[np.float64]) -> NDArray[np.float64]:
        logs: NDArray[np.float64] = np.log((mean + _LEAST_SHARE) / (1 + len(mean) * _LEAST_SHARE))
        return logs

    overall = shares[learned].mean(axis=0, dtype=np.float64)
    intercepts = np.zeros(shares.shape, dtype=np.float32)
    for one in np.unique(task):
        rows = shares[learned & (task == one)].astype(np.float64)
        mean = (rows.sum(axis=0) + _PULLED_BY * overall) / (len(rows) + _PULLED_BY)
        intercepts[task == one] = log(mean) - log(overall)
    return intercepts
