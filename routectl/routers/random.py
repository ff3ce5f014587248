"""The baseline that knows nothing: a prompt's score is a hash of its text and a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from routectl.checkpoint import SHIPPED, read_checkpoint
from routectl.records import RouterIdentity
from routectl.routers.baseline import open_baseline, refuse_models
from routectl.routers.protocol import EXTRACTION_FACT, OpenRouter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUMMARY = "baseline: a hash of the prompt, so the strong fraction is met and nothing is gained"


def open_router(
    checkpoint: Path | None, strong_model: str | None, weak_model: str | None
) -> OpenRouter:
    """Open the random baseline.

    Raises:
        RouterError: a model was asked for; this router knows none.
        CheckpointError: the checkpoint is missing or damaged.
    """
    refuse_models("random", strong_model, weak_model)
    saved = read_checkpoint(checkpoint or SHIPPED / "random_1", "random")
    seed: int = saved.get("seed", kind=int)
    facts = {"router": "random", "seed": seed, "extraction": EXTRACTION_FACT}
    return open_baseline(saved, SUMMARY, facts, lambda identity: RandomRouter(identity, seed))


def uniform(prompt: str, seed: int) -> float:
    """A number strictly inside (0, 1) that the prompt and the seed alone decide.

    The first 52 bits of SHA-256 over the seed and the text, in the middle of its 2^-52 cell:
    52 bits, because (k + 1/2) / 2^52 is the finest grid of that kind that float64 holds exactly.
    """
    digest = hashlib.sha256(f"{seed}\n".encode() + prompt.encode("utf-8", "surrogatepass")).digest()
    cell = int.from_bytes(digest[:8], "big") >> 12
    return (cell + 0.5) / 2**52


class RandomRouter:
    """Scores that are uniform over prompts, and always the same for one prompt."""

    def __init__(self, identity: RouterIdentity, seed: int) -> None:
        self.identity = identity
        self._seed = seed

    def strong_win_rates(self, prompts: Sequence[str]) -> NDArray[np.float64]:
        """Shape (n,), strictly inside (0, 1)."""
        import numpy as np

        return np.array([uniform(prompt, self._seed) for prompt in prompts], dtype=np.float64)

    def longer_than_read(self, prompts: Sequence[str]) -> NDArray[np.bool_]:
        """Shape (n,), all False: the whole text is hashed."""
        import numpy as np

        return np.zeros(len(prompts), dtype=np.bool_)
