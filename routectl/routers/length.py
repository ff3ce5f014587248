"""The baseline that only counts: the longer the prompt, the higher its score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from routectl.checkpoint import (
    SHIPPED,
    Checkpoint,
    read_checkpoint,
    read_weights,
    require,
)
from routectl.errors import CheckpointError
from routectl.records import RouterIdentity
from routectl.routers.baseline import open_baseline, refuse_models
from routectl.routers.protocol import EXTRACTION_FACT, OpenRouter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUMMARY = "baseline: the prompt's length in characters; hard to beat on MMLU and GSM8K"


def open_router(
    checkpoint: Path | None, strong_model: str | None, weak_model: str | None
) -> OpenRouter:
    """Open the length baseline.

    Raises:
        RouterError: a model was asked for; this router knows none.
        CheckpointError: the checkpoint is missing or damaged.
    """
    refuse_models("length", strong_model, weak_model)
    saved = read_checkpoint(checkpoint or SHIPPED / "length_1", "length")
    lengths, digest = _read_lengths(saved)
    facts = {"router": "length", "weights": digest, "extraction": EXTRACTION_FACT}
    return open_baseline(saved, SUMMARY, facts, lambda identity: LengthRouter(identity, lengths))


def _read_lengths(checkpoint: Checkpoint) -> tuple[NDArray[np.int32], str]:
    import numpy as np

    tensors, digest = read_weights(checkpoint)
    count: int = checkpoint.get("count", kind=int)
    lengths = require(tensors, "lengths", (count,), checkpoint, dtypes=("int32",))
    if count < 1 or lengths[0] < 0 or (np.diff(lengths) < 0).any():
        raise CheckpointError(
            f"{checkpoint.weights_path}: 'lengths' must be one or more lengths in ascending order."
        )
    return lengths, digest


def length_win_rates(
    lengths: NDArray[np.int64], reference: NDArray[np.int32]
) -> NDArray[np.float64]:
    """The rank of each length among the reference lengths.

    A length that the reference holds gets its mid-rank's (r - 1/2) / n; between two reference
    lengths the value is interpolated linearly; below the shortest it falls towards 0 and above
    the longest it nears 1. So it rises strictly with the length: ties are equal lengths, nothing
    else.

    Args:
        lengths: shape (m,), each >= 0.
        reference: shape (n,), ascending, n >= 1.

    Returns:
        Shape (m,), strictly inside (0, 1).
    """
    import numpy as np

    distinct_lengths, counts = np.unique(reference, return_counts=True)
    rates = (np.cumsum(counts) - counts / 2) / len(reference)
    inside = np.interp(lengths, distinct_lengths, rates)
    below = rates[0] * (lengths + 1) / (distinct_lengths[0] + 1)
    above = 1 - (1 - rates[-1]) * (distinct_lengths[-1] + 1) / (lengths + 1)
    return np.where(
        lengths < distinct_lengths[0],
        below,
        np.where(lengths > distinct_lengths[-1], above, inside),
    )


class LengthRouter:
    """Scores a prompt by its number of characters (Unicode code points)."""

    def __init__(self, identity: RouterIdentity, reference: NDArray[np.int32]) -> None:
        self.identity = identity
        self._reference = reference

    def strong_win_rates(self, prompts: Sequence[str]) -> NDArray[np.float64]:
        """Shape (n,), strictly inside (0, 1)."""
        import numpy as np

        lengths = np.fromiter((len(prompt) for prompt in prompts), np.int64, len(prompts))
        return length_win_rates(lengths, self._reference)

    def longer_than_read(self, prompts: Sequence[str]) -> NDArray[np.bool_]:
        """Shape (n,), all False: every character counts."""
        import numpy as np

        return np.zeros(len(prompts), dtype=np.bool_)
