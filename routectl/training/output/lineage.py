"""What a checkpoint has learned from, through those that are parts of it.

A student learns from its teachers, a router from its embedder and an ensemble from its members, and
so from what these have learned from. Only prompts from which none of them learned say how good it
is, or weigh it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from routectl.checkpoint import read_checkpoint
from routectl.embedding.names import classifier_folder, is_classifier
from routectl.routers.seen_prompts import digests, read_learned, read_seen, seen_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from routectl.training.data import TrainingData

_REFIT = "refit"
"""In the config of a checkpoint that does not keep what it held out: it may have learned from that,
too."""


def lineage_file(
    data: TrainingData,
    parts: Iterable[Path | None] = (),
    *,
    learned: NDArray[np.integer] | None = None,
    measured: NDArray[np.integer] | None = None,
) -> dict[str, bytes]:
    """The file of a checkpoint that keeps what it and its parts were trained on.

    Args:
        parts: their checkpoints' folders; None is a part that learns nothing.
        learned: rows of `data.comparisons.prompts` that it learned from; None is all but those that
            the data holds out.
        measured: further rows that it has seen, and not learned from; None is those held out.
    """
    import numpy as np

    used = data.used
    learned = used[~data.held_out[used]] if learned is None else learned
    measured = used[data.held_out[used]] if measured is None else measured
    prompts = data.comparisons.prompts
    own = digests(prompts[row] for row in learned)
    held_out = np.setdiff1d(digests(prompts[row] for row in measured), own)
    others = []
    for part in parts:
        seen = read_seen(part)
        if part is not None and seen is not None:
            others.append(seen)
            held_out = np.setdiff1d(held_out, learned_of(part, data))
    return seen_file((prompts[row] for row in (*learned, *measured)), others, held_out=held_out)


def embedder_part(name: str) -> Path | None:
    """The checkpoint that an embedder computes with, by the embedder's name; None is none."""
    return classifier_folder(name) if is_classifier(name) else None


def learned_of(folder: Path, data: TrainingData) -> NDArray[np.uint64]:
    """Digests of what a checkpoint has, or may have, learned from.

    One that does not keep what it held out is taken to have held out what this training does where
    it was trained on the same prompts, and else to have learned from all that it has seen.

    Raises:
        CheckpointError: a file of it is damaged.
    """
    import numpy as np

    seen = read_seen(folder)
    if seen is None:
        return np.empty(0, dtype=np.uint64)
    learned = read_learned(folder)
    if learned is not None:
        return learned
    prompts = data.comparisons.prompts
    if _keeps_apart(folder) and np.array_equal(seen, np.unique(digests(data.used_prompts))):
        return np.setdiff1d(seen, digests(prompts[row] for row in np.flatnonzero(data.held_out)))
    return seen


def known_held_out(data: TrainingData, parts: Iterable[Path | None]) -> int:
    """From how many of the prompts that are held out a part has, or may have, learned."""
    import numpy as np

    rows = data.used[data.held_out[data.used]]
    held_out = digests(data.comparisons.prompts[row] for row in rows)
    is_learned = np.zeros(len(held_out), dtype=np.bool_)
    for part in parts:
        if part is not None:
            is_learned |= np.isin(held_out, learned_of(part, data))
    return int(is_learned.sum())


def learned_from_all(folder: Path) -> bool:
    """Whether a checkpoint has, or may have, learned from all that it has seen.

    Raises:
        CheckpointError: a file of it is damaged.
    """
    seen, learned = read_seen(folder), read_learned(folder)
    if seen is None:
        return False
    return not _keeps_apart(folder) if learned is None else len(learned) == len(seen)


def _keeps_apart(folder: Path) -> bool:
    """Whether a checkpoint that does not keep what it held out has learned from none of it."""
    config = read_checkpoint(folder, None).config
    embedder = config.get("embedder")
    name = embedder.get("name") if isinstance(embedder, dict) else None
    learned_below = isinstance(name, str) and is_classifier(name)
    return config["kind"] != "ensemble" and not config.get(_REFIT) and not learned_below
