"""An extra feature of a prompt: how long its question is.

A sentence embedding holds next to nothing of a prompt's length, and among prompts of one task a
longer question is a harder one: on every task whose strong models are mostly right, the length
alone orders prompts better than chance (research/routers.md). Answers to choose from are no part of
the question, and with them the length orders worse.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from routectl.errors import CheckpointError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.checkpoint import Checkpoint

_FEATURE = "log_question_length"
"""Its name in a checkpoint and a fingerprint; another definition gets another name."""
OF_QUESTION = ", and the length of its question"
"""What a router's description says that it reads besides the prompt's tokens."""
_OPTION = re.compile(r"^\(?([A-Z])[.):][ \t]", re.MULTILINE)


def question_length(prompt: str) -> int:
    """Characters (Unicode code points) before the lettered answers; without such, all of them.

    Answers begin at a line that starts with "A." (or "A)", "(A)", "A:"), where the next lettered
    line starts with "B".
    """
    lettered = list(_OPTION.finditer(prompt))
    for first, second in pairwise(lettered):
        if (first[1], second[1]) == ("A", "B"):
            return first.start()
    return len(prompt)


@dataclass(frozen=True, slots=True)
class QuestionLength:
    """The logarithm of 1 + the question's length, standardised over the prompts of the training."""

    mean: float
    spread: float
    """Standard deviation, above 0."""
    low: float
    """The least and the largest value in the training, standardised: beyond, nothing was learned,
    and a prompt counts as the outermost one."""
    high: float

    @classmethod
    def fit(cls, prompts: Sequence[str]) -> QuestionLength:
        """The constants of these prompts; one at least."""
        raw = _raw(prompts)
        mean, spread = float(raw.mean()), float(raw.std()) or 1.0
        return cls(
            mean, spread, (float(raw.min()) - mean) / spread, (float(raw.max()) - mean) / spread
        )

    def of(self, prompts: Sequence[str]) -> NDArray[np.float64]:
        """Shape (n, 1): a column of features."""
        import numpy as np

        standardised = (_raw(prompts) - self.mean) / self.spread
        return np.clip(standardised, self.low, self.high)[:, None]

    @property
    def config(self) -> dict[str, object]:
        """What a checkpoint's config says of it, and its part of a fingerprint."""
        return {"feature": _FEATURE, **asdict(self)}


def read_question_length(checkpoint: Checkpoint) -> QuestionLength | None:
    """The feature that a checkpoint's config names; None where it names none.

    Raises:
        CheckpointError: a feature that is not known, or constants that cannot be.
    """
    if "surface" not in checkpoint.config:
        return None
    feature: str = checkpoint.get("surface", "feature", kind=str)
    if feature != _FEATURE:
        raise CheckpointError(
            f"{checkpoint.folder} has the extra feature {feature!r}, which this "
            "routectl does not know; upgrade routectl."
        )
    mean, spread, low, high = (
        float(checkpoint.get("surface", name, kind=(int, float)))
        for name in ("mean", "spread", "low", "high")
    )
    if not (all(map(math.isfinite, (mean, spread, low, high))) and spread > 0 and low <= high):
        raise CheckpointError(
            f"{checkpoint.folder}: the constants of {feature!r} must be finite, its spread above 0 "
            "and its low no higher than its high; restore the checkpoint."
        )
    return QuestionLength(mean, spread, low, high)


def _raw(prompts: Sequence[str]) -> NDArray[np.float64]:
    import numpy as np

    lengths = (question_length(prompt) for prompt in prompts)
    return np.log1p(np.fromiter(lengths, np.float64, len(prompts)))
