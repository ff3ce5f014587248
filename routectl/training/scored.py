"""Other routers in a training: which they are, and what they score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from routectl.errors import InputError
from routectl.records import ModelPair, RouterSpec
from routectl.routers import OpenRouter, Router, open_spec
from routectl.training.output.partial import PartialRun
from routectl.training.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SCORED_AT_ONCE = 256


def spelled(spec: RouterSpec) -> str:
    """A router as --router takes it, with a checkpoint below the working directory as seen there.

    So a model card names no path of the machine that it was made on, unless a person does.
    """
    if spec.checkpoint is None:
        return spec.name
    folder, here = Path(spec.checkpoint), Path.cwd()
    return f"{spec.name}={folder.relative_to(here) if folder.is_relative_to(here) else folder}"


def open_for(spec: RouterSpec, pair: ModelPair | None) -> OpenRouter:
    """A router, for a pair where it knows models.

    Raises:
        RouterError: no such router, or it does not know the pair.
        CheckpointError: its checkpoint is missing or damaged.
    """
    opened = open_spec(spec)
    if pair is None or not opened.description.models:
        return opened
    return open_spec(replace(opened.spec, model_pair=pair))


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
                part_scores = loaded[number].strong_win_rates(part)
                partial.save(piece, {"win_rates": part_scores})
            else:
                part_scores = kept[0]["win_rates"]
            scores[number, start : start + len(part)] = part_scores
    on_progress("score", len(prompts), len(prompts))
    for router, its in zip(routers, scores, strict=True):
        if not np.isfinite(its).all():
            raise InputError(
                f"Scores of {router.description.name} are not finite numbers; check its checkpoint."
            )
    return scores
