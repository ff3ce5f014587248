"""Other routers in a training: which they are, and what they score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from routectl.errors import InputError
from routectl.records import ModelPair
from routectl.routers.checkpoint import SHIPPED
from routectl.routers.protocol import OpenRouter
from routectl.training.partial import PartialRun

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SCORED_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Member:
    """A router that takes part: its name, and its checkpoint where it is not the shipped one."""

    name: str
    checkpoint: Path | None = None

    def __str__(self) -> str:
        if self.checkpoint is None:
            return self.name
        shipped = self.checkpoint.resolve().parent == SHIPPED.resolve()
        return f"{self.name}={self.checkpoint.name if shipped else self.checkpoint}"

    def open(self, pair: ModelPair | None = None) -> OpenRouter:
        """The router, for a pair where it knows models; None is its own default.

        Raises:
            RouterError: no such router, or it does not know the pair.
            CheckpointError: its checkpoint is damaged.
        """
        from routectl.routers import open_router

        opened = open_router(self.name, checkpoint=self.checkpoint)
        if pair is None or not opened.description.models:
            return opened
        return open_router(
            self.name,
            checkpoint=self.checkpoint,
            strong_model=pair.strong,
            weak_model=pair.weak,
        )


def kept_scores(
    router: OpenRouter,
    prompts: Sequence[str],
    partial: PartialRun,
    name: str,
    on_prompts: Callable[[int], None],
) -> NDArray[np.float64]:
    """A router's scores, shape (n,); what a stopped run scored is not scored again.

    Args:
        name: under which they are kept, one for each router.
        on_prompts: called with the number of prompts that are scored.

    Raises:
        InputError: a score is no finite number.
    """
    import numpy as np

    scores = np.empty(len(prompts))
    loaded = None
    for start in range(0, len(prompts), _SCORED_AT_ONCE):
        on_prompts(start)
        part = prompts[start : start + _SCORED_AT_ONCE]
        piece = f"{name}-{start:08d}"
        kept = partial.load(piece)
        if kept is None:
            loaded = loaded or router.load()
            found = loaded.strong_win_rates(part)
            partial.save(piece, {"win_rates": found})
        else:
            found = kept[0]["win_rates"]
        scores[start : start + len(part)] = found
    if not np.isfinite(scores).all():
        raise InputError(
            f"Scores of {router.description.name} are not finite numbers; check its checkpoint."
        )
    return scores
