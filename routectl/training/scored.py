"""Other routers in a training: which they are, and what they score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from routectl.checkpoint import SHIPPED
from routectl.errors import InputError
from routectl.records import ModelPair
from routectl.routers.protocol import OpenRouter, Router
from routectl.training.output.partial import PartialRun
from routectl.training.progress import Progress

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
    routers: Sequence[OpenRouter],
    prompts: Sequence[str],
    partial: PartialRun,
    on_progress: Progress,
) -> NDArray[np.float64]:
    """Scores of k routers, shape (k, n); what a stopped run scored is not scored again.

    All score the same few prompts in turn, so that those of one embedder embed them once.

    Raises:
        InputError: a score is no finite number.
    """
    import numpy as np

    scores = np.empty((len(routers), len(prompts)))
    loaded: dict[int, Router] = {}
    for start in range(0, len(prompts), _SCORED_AT_ONCE):
        on_progress("score", start, len(prompts))
        part = prompts[start : start + _SCORED_AT_ONCE]
        for number, router in enumerate(routers):
            piece = f"scores-{number}-{start:08d}"
            kept = partial.load(piece)
            if kept is None:
                if number not in loaded:
                    loaded[number] = router.load()
                found = loaded[number].strong_win_rates(part)
                partial.save(piece, {"win_rates": found})
            else:
                found = kept[0]["win_rates"]
            scores[number, start : start + len(part)] = found
    on_progress("score", len(prompts), len(prompts))
    for router, its in zip(routers, scores, strict=True):
        if not np.isfinite(its).all():
            raise InputError(
                f"Scores of {router.description.name} are not finite numbers; check its checkpoint."
            )
    return scores
