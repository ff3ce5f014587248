"""Which prompts a router was trained on, kept next to its weights as digests and never as text.

Equal prompts are found but for case and white space. What merely resembles a training prompt is
found by `routectl battles contamination`, which needs the data itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from routectl.errors import CheckpointError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEEN = "seen_prompts.safetensors"
"""The file in a checkpoint's folder: the tensor `digests` of all prompts, and, but for checkpoints
of before it was kept, `held_out` of those among them from which nothing was learned. Both are
uint64, ascending."""


def digests(prompts: Iterable[str]) -> NDArray[np.uint64]:
    """The first 8 bytes of the SHA-256 of each prompt, shape (n,); case and blanks do not count."""
    import numpy as np

    folded = (" ".join(prompt.casefold().split()).encode() for prompt in prompts)
    whole = b"".join(hashlib.sha256(text).digest()[:8] for text in folded)
    return np.frombuffer(whole, dtype="<u8").astype(np.uint64)


def seen_file(
    prompts: Iterable[str],
    others: Iterable[NDArray[np.uint64]] = (),
    *,
    held_out: NDArray[np.uint64] | None = None,
) -> dict[str, bytes]:
    """The file that keeps what a checkpoint was trained on, by its name in the folder.

    Args:
        others: what its parts were trained on, as `read_seen` gives it.
        held_out: digests of those that neither it nor a part learned from; None: not known.
    """
    import numpy as np
    from safetensors.numpy import save

    tensors = {"digests": np.unique(np.concatenate([digests(prompts), *others]))}
    if held_out is not None:
        tensors["held_out"] = np.unique(held_out)
    return {SEEN: save(tensors)}


def read_seen(folder: Path | None) -> NDArray[np.uint64] | None:
    """What a checkpoint was trained on; None where its folder does not say.

    Raises:
        CheckpointError: the file is damaged.
    """
    return None if folder is None else _read(folder).get("digests")


def read_learned(folder: Path) -> NDArray[np.uint64] | None:
    """What a checkpoint has learned from: what it has seen but for what it held out.

    Returns:
        Ascending, shape (n,); None where its folder does not say.

    Raises:
        CheckpointError: the file is damaged.
    """
    import numpy as np

    kept = _read(folder)
    if "held_out" not in kept:
        return None
    return np.setdiff1d(kept["digests"], kept["held_out"], assume_unique=True)


def _read(folder: Path) -> dict[str, NDArray[np.uint64]]:
    """The tensors of a checkpoint's file; none where there is no file."""
    if not (folder / SEEN).exists():
        return {}
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(folder / SEEN)
    except (SafetensorError, OSError):
        tensors = {}
    if "digests" not in tensors:
        raise CheckpointError(f"{folder / SEEN} is damaged: fetch the checkpoint again")
    return tensors


def seen(prompts: Sequence[str], learned: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of the prompts have their digest among the learned ones, shape (n,)."""
    import numpy as np

    return np.isin(digests(prompts), learned)
