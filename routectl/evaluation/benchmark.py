"""A benchmark: prompts, and how good the answers of several models to them were.

Benchmarks are data, not code: `evaluation.reading` makes one of a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from routectl.errors import InputError
from routectl.records import ModelPair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Prompts with the quality of each model's answer. n rows."""

    name: str
    prompts: tuple[str, ...]
    """As a router scores them; equal ones may be in several rows."""
    quality: Mapping[str, NDArray[np.float64]]
    """By model, shape (n,): the higher the better, in one unit for all; NaN where the model was
    not asked."""
    cost: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """By model, shape (n,): US dollars of the answer; only models whose costs are all known."""
    categories: tuple[str, ...] = ()
    """Shape (n,) where the data has them, else empty."""
    contaminated: int = 0
    """Rows that were left out because they resemble training data."""

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def models(self) -> tuple[str, ...]:
        """The models that answered."""
        return tuple(self.quality)

    def pair(self, strong: str, weak: str) -> JudgedPair:
        """The rows that both models answered.

        Args:
            strong, weak: models as the benchmark spells them.

        Raises:
            InputError: they are one model, one is not among the benchmark's, or fewer than two
                prompts were answered by both.
        """
        import numpy as np

        if strong == weak:
            raise InputError(
                f"{self.name}: {strong} cannot be compared with itself; name two models"
            )
        for model in (strong, weak):
            if model not in self.quality:
                raise InputError(
                    f"{self.name} holds no answers of {model!r}; its models are "
                    f"{', '.join(self.models)}"
                )
        both = np.isfinite(self.quality[strong]) & np.isfinite(self.quality[weak])
        rows = np.flatnonzero(both)
        if len(rows) < 2:
            raise InputError(
                f"{self.name}: {len(rows)} prompts were answered by both {strong} and {weak}, and "
                "an evaluation takes two at least"
            )
        costs = self.cost if strong in self.cost and weak in self.cost else {}
        return JudgedPair(
            benchmark=self.name,
            pair=ModelPair(strong, weak),
            prompts=tuple(self.prompts[row] for row in rows),
            strong_quality=self.quality[strong][rows],
            weak_quality=self.quality[weak][rows],
            strong_cost=costs[strong][rows] if costs else None,
            weak_cost=costs[weak][rows] if costs else None,
            categories=tuple(self.categories[row] for row in rows) if self.categories else (),
            contaminated=self.contaminated,
            unanswered=len(self) - len(rows),
        )


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """Prompts that two models answered. n rows."""

    benchmark: str
    pair: ModelPair
    """As the benchmark spells the models."""
    prompts: tuple[str, ...]
    strong_quality: NDArray[np.float64]
    """Shape (n,), in the benchmark's own unit."""
    weak_quality: NDArray[np.float64]
    strong_cost: NDArray[np.float64] | None = None
    """Shape (n,), US dollars of the strong model's answer; None where the data has no costs."""
    weak_cost: NDArray[np.float64] | None = None
    weights: NDArray[np.float64] | None = None
    """Shape (n,): how many requests a row stands for; None where all count alike."""
    strata: NDArray[np.int64] | None = None
    """Shape (n,): which rows were drawn together; None where they were not drawn by strata."""
    categories: tuple[str, ...] = ()
    contaminated: int = 0
    """Rows left out because they resemble training data."""
    unanswered: int = 0
    """Rows left out because one of the two models did not answer."""

    def __len__(self) -> int:
        return len(self.prompts)

    def rows(self, wanted: Sequence[int]) -> JudgedPair:
        """Some of the rows, in this order."""
        import numpy as np

        at = np.asarray(wanted, dtype=np.int64)
        weights, strong_cost, weak_cost = (
            None if values is None else values[at]
            for values in (self.weights, self.strong_cost, self.weak_cost)
        )
        return replace(
            self,
            prompts=tuple(self.prompts[row] for row in at),
            strong_quality=self.strong_quality[at],
            weak_quality=self.weak_quality[at],
            strong_cost=strong_cost,
            weak_cost=weak_cost,
            weights=weights,
            strata=None if self.strata is None else self.strata[at],
            categories=tuple(self.categories[row] for row in at) if self.categories else (),
        )

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of prompts, qualities and weights, in the order of the rows."""
        import numpy as np

        whole = hashlib.sha256()
        for prompt in self.prompts:
            whole.update(hashlib.sha256(prompt.encode()).digest())
        for values in (self.strong_quality, self.weak_quality, self.weights):
            if values is not None:
                whole.update(np.asarray(values, dtype="<f8").tobytes())
        return whole.hexdigest()
