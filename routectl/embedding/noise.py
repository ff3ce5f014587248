"""How much a prompt's vector differs between batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.embedding import Embedder

SAFETY_FACTOR = 4
"""Between the largest difference seen in a sample and what is promised for all prompts."""

_BUDGETS = (1, 256, 1024, 8192)


def embedding_noise(
    embedder: Embedder,
    texts: Sequence[str],
    transform: Callable[[NDArray[np.float32]], NDArray[np.floating]] | None = None,
) -> float:
    """The largest distance between two vectors of one text, times `SAFETY_FACTOR`.

    Every text is embedded alone and in batches of three sizes.

    Args:
        texts: at least one; a hundred or more of different lengths tell enough.
        transform: applied to the vectors, shape (n, D) to (n, d), before distances are taken.
    """
    import numpy as np

    batches = (embedder.embed(texts, token_budget=budget) for budget in _BUDGETS)
    vectors = np.stack([v if transform is None else transform(v) for v in batches])
    distances = np.linalg.norm(vectors[:, None] - vectors[None, :], axis=-1)
    # Two vectors that happen to agree in every bit do not show that all do.
    return float(max(distances.max(), np.finfo(np.float32).eps)) * SAFETY_FACTOR
