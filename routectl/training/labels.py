"""What the classifiers learn from: of each prompt, how often a strong model beats a weak one.

The paper trains its BERT and causal-LLM classifiers on battles between a class of strong and one
of weak models (RouteLLM, section 4). Here the two classes lie round the default pair: strong is
who is rated no more than a third of the pair's gap below its strong model, weak is who is no more
than that above its weak model, and who is between teaches neither.

Data sets seldom ask the same models. Of a prompt that nobody of one class answered, the comparisons
of two models count that are rated as far apart as the classes' edges are, a third of the gap: the
better rated stands for strong. Without them a data set that lacks one class would teach nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from routectl.errors import InputError
from routectl.records import ModelPair
from routectl.training.comparisons import Comparisons, ratings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
    column = np.select([won == 1, won == 0.5], [0, 1], default=2)
    prompt, position = np.unique(comparisons.prompt[rows], return_inverse=True)
    outcome = np.zeros((len(prompt), 3))
    np.add.at(outcome, (position, column), comparisons.weight[rows])
    outcome /= outcome.sum(axis=1, keepdims=True)
    return StrongWeakLabels(
        prompt.astype(np.int32),
        outcome.astype(np.float32),
        tuple(model for model, its in zip(models, side, strict=True) if its == 1),
        tuple(model for model, its in zip(models, side, strict=True) if its == -1),
    )
