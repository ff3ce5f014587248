"""What a router is to the rest of the project, and what third parties implement.

A third-party package joins by an entry point in the group `routectl.routers` whose name is the
router's and whose value is a function like `routectl.routers.mf.open_router`:

    (checkpoint: Path | None, strong_model: str | None, weak_model: str | None) -> OpenRouter
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from routectl.checkpoint import checkpoint_name
from routectl.records import ModelPair, RouterIdentity, RouterSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXTRACTION_FACT = 1
"""What the facts of the built-in routers say under `extraction`. It never changes: the version of
the text extraction is a fact of requests, and moves no score of a prompt. The key stays, because a
fingerprint without it would be another one."""


class Router(Protocol):
    """A router that is ready to score. One prompt is a batch of one."""

    @property
    def identity(self) -> RouterIdentity:
        """Name, fingerprint, pair and noise of this router."""

    def strong_win_rates(self, prompts: Sequence[str]) -> NDArray[np.float64]:
        """Shape (n,), each in [0, 1]: how likely the strong model's answer would win."""

    def longer_than_read(self, prompts: Sequence[str]) -> NDArray[np.bool_]:
        """Shape (n,): True where the router reads only a part of the prompt."""


@dataclass(frozen=True, slots=True)
class RouterDescription:
    """What `routectl routers` shows of a router."""

    name: str
    kind: str
    """How it scores: the name of the built-in router, or what a third party calls it."""
    summary: str
    checkpoint: Path | None
    models: tuple[str, ...]
    """The models it can decide between; empty for a baseline that knows none."""
    default_pair: ModelPair | None
    embedder: str | None
    reads: str
    """What it reads of a prompt, as a phrase."""
    licence: str | None
    card: Path | None
    """The model card."""
    sends_prompts_to: str | None = None
    """Host that gets the prompts to embed; None for a router that runs on this machine alone."""
    slow: bool = False
    """Whether it takes about a second a prompt, so that nobody should run it without asking."""
    notice: str | None = None
    """What to say before it is loaded: a sentence without its full stop."""


@dataclass(frozen=True, slots=True)
class OpenRouter:
    """A router whose identity is known and whose model is not loaded yet."""

    identity: RouterIdentity
    description: RouterDescription
    loader: Callable[[], Router]
    shares: str | None = None
    """Routers for which this is equal embed prompts alike, and remember the vectors of their last
    batch together: scored batch by batch, side by side, each prompt is embedded once."""

    @property
    def spec(self) -> RouterSpec:
        """How to open this router again, with the checkpoint that was opened."""
        pair, scored_as = self.identity.model_pair, self.identity.scored_as
        folder = self.description.checkpoint
        return RouterSpec(
            name=self.identity.name,
            checkpoint=None if folder is None else checkpoint_name(folder),
            model_pair=pair
            and ModelPair(*(scored_as.get(side, side) for side in (pair.strong, pair.weak))),
            mapping=dict(scored_as),
        )

    def load(self) -> Router:
        """Load what it takes to score.

        Raises:
            CheckpointError: the embedder is missing, or not the one the checkpoint was made with.
        """
        return self.loader()


def fingerprint(facts: Mapping[str, object]) -> str:
    """SHA-256, in hexadecimal, of the canonical JSON of `facts` (sorted keys, no blanks)."""
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
