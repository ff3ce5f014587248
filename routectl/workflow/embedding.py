"""Embedding texts for a command that needs their vectors, with a note and progress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from routectl.embedding import DEFAULT, Embedder, open_embedder, remote_host
from routectl.errors import UsageError
from routectl.workflow.reporter import Reporter

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from routectl.embedding.base_models import BaseFiles

_AT_ONCE = 256
"""Texts between two steps of the progress bar."""


def open_for_comparison(name: str | None, whose: str, reporter: Reporter) -> Embedder:
    """Load an embedder for comparisons by cosine, with a note if prompts leave this machine.

    Args:
        name: as for `embedding.open_embedder`; None is the one that is installed.
        whose: what the prompts belong to, for the note, as in "the prompts of ...".

    Raises:
        UsageError: cosines between its vectors say nothing about similarity.
    """
    host = None if name is None else remote_host(name)
    if host is not None:
        reporter.warn(f"the prompts of {whose} are sent to {host}")
    embedder = open_embedder(name or DEFAULT)
    if not embedder.comparable:
        raise UsageError(
            f"prompts are compared by cosine, which says nothing between the vectors of "
            f"{embedder.name}; leave --embedder out, or name a sentence-transformers model"
        )
    return embedder


def embed(
    model: Embedder, texts: Sequence[str], label: str, reporter: Reporter
) -> NDArray[np.float32]:
    """Vectors of texts, shape (n, dimension), rows of length 1."""
    import numpy as np

    vectors = np.empty((len(texts), model.dimension), dtype=np.float32)
    # Longest first: texts of like length share a batch, and what does not fit fails at once.
    order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
    with reporter.progress(label, len(texts)) as advance:
        for start in range(0, len(order), _AT_ONCE):
            rows = order[start : start + _AT_ONCE]
            vectors[rows] = model.embed([texts[row] for row in rows])
            advance(len(rows))
    return vectors


def prepare_base(folder: Path | None) -> BaseFiles:
    """Bring the base model of the slow routers into the cache: a folder's, or the installed one.

    Raises:
        CheckpointError: it is not there or damaged, or what converts it is not installed.
    """
    from routectl.embedding.base_models import default_base, keep_base

    return default_base() if folder is None else keep_base(folder)
