"""The embedder of a checkpoint: what the routers share that score a prompt's vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routectl.checkpoint import Checkpoint, require
from routectl.errors import CheckpointError
from routectl.records import ModelPair
from routectl.routers.protocol import RouterDescription
from routectl.routers.question_length import OF_QUESTION

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from routectl.embedding import Embedder

_READS = "head"
"""In a checkpoint's config and in a fingerprint: the beginning of a long prompt is read."""


@dataclass(frozen=True, slots=True)
class EmbedderOfCheckpoint:
    """The embedder that a checkpoint was trained on."""

    folder: Path
    """The checkpoint's, for sentences."""
    name: str
    digest: str
    dimension: int
    max_tokens: int
    noise: float
    """The largest distance between two vectors of one prompt, with its safety factor."""
    probe: NDArray[Any] | None
    """Vectors of a remote embedder's fixed texts when it was trained on, shape (k, dimension)."""

    @property
    def host(self) -> str | None:
        """Where prompts are sent to; None for an embedder that runs on this machine."""
        from routectl.embedding import remote_host

        return remote_host(self.name)

    @property
    def slow(self) -> bool:
        """Whether it computes a language model."""
        from routectl.embedding.names import is_hidden

        return is_hidden(self.name)

    @property
    def notice(self) -> str | None:
        """What loading it does first, once, for `RouterDescription.notice`."""
        from routectl.embedding.hidden import conversion_notice

        return conversion_notice(self.name)

    @property
    def phrase(self) -> str:
        """What is read of a prompt, for `RouterDescription.reads`."""
        unit = "tokens" if self.host is None else "characters"
        return f"the beginning of a long prompt ({self.max_tokens} {unit})"

    @property
    def facts(self) -> dict[str, object]:
        """Its part of a fingerprint: all of it that can move a vector by more than its noise."""
        return {
            "embedder": self.digest,
            "max_tokens": self.max_tokens,
            "reads": _READS,
            "normalised": True,
        }

    @property
    def shares(self) -> str:
        """Routers for which this is equal score the same vectors; see `OpenRouter.shares`."""
        return f"{self.name} {self.digest}"

    def description(
        self,
        router: str,
        summary: str,
        saved: Checkpoint,
        models: tuple[str, ...],
        default_pair: ModelPair | None,
        *,
        with_question: bool,
    ) -> RouterDescription:
        """What is said of a router of this checkpoint before it is loaded.

        Args:
            with_question: it counts the question's length, too.
        """
        return RouterDescription(
            name=router,
            kind=router,
            summary=summary,
            checkpoint=saved.folder,
            models=models,
            default_pair=default_pair,
            embedder=self.name,
            reads=self.phrase + (OF_QUESTION if with_question else ""),
            licence=saved.licence,
            card=saved.card,
            sends_prompts_to=self.host,
            slow=self.slow,
            notice=self.notice,
        )

    def load(self) -> Embedder:
        """The embedder, which other routers of this process may hold too.

        Raises:
            CheckpointError: it is not there, or not the one that the checkpoint was trained on.
            EmbeddingError: it is remote and does not answer as it should.
            UsageError: it is remote, and the user has not named its host.
        """
        from routectl.embedding.names import require_named
        from routectl.embedding.shared import open_shared

        if self.host is not None:
            require_named(self.host, self.folder)
        embedder = open_shared(self.name)
        if embedder.dimension != self.dimension:
            raise CheckpointError(
                f"{self.folder} expects prompt vectors of {self.dimension} numbers, and the "
                f"embedder {self.name!r} gives {embedder.dimension}."
            )
        if (embedder.digest, embedder.max_tokens) != (self.digest, self.max_tokens):
            raise CheckpointError(
                f"{self.folder} was trained on another version of the embedder {self.name!r} "
                "than the one installed (their digests differ), so its scores would mean nothing; "
                "install that version or train again."
            )
        if embedder.probe is not None:
            self._require_unmoved(embedder)
        return embedder

    def _require_unmoved(self, embedder: Embedder) -> None:
        """Refuse a remote model that is no longer the one it was: only its vectors can tell."""
        import numpy as np

        if self.probe is None or embedder.probe is None:
            raise CheckpointError(
                f"{self.folder} holds no probe of its remote embedder; train it again."
            )
        moved = float(np.linalg.norm(embedder.probe - self.probe, axis=1).max())
        if not moved <= self.noise:
            raise CheckpointError(
                f"The model behind the embedder {self.name!r} is not the one that {self.folder} "
                f"was trained on (its vectors moved by {moved:.1e}, their noise is "
                f"{self.noise:.1e}), so its scores would mean nothing; go back to that model or "
                "train again."
            )


def read_embedder(
    checkpoint: Checkpoint, tensors: Mapping[str, NDArray[Any]]
) -> EmbedderOfCheckpoint:
    """The embedder that a checkpoint's config and tensors name.

    Raises:
        CheckpointError: they do not, or name a reading of long prompts that is not known.
    """
    from routectl.embedding.names import in_checkpoint
    from routectl.embedding.remote import PROBES

    reads: str = checkpoint.get("embedder", "reads", kind=str)
    if reads != _READS:
        raise CheckpointError(
            f"{checkpoint.folder} wants {reads!r} of a long prompt, which this routectl cannot "
            "read; upgrade routectl or restore the checkpoint."
        )
    dimension: int = checkpoint.get("embedder", "dimension", kind=int)
    probe = None
    if "probe" in tensors:
        probe = require(tensors, "probe", (len(PROBES), dimension), checkpoint)
    return EmbedderOfCheckpoint(
        folder=checkpoint.folder,
        name=in_checkpoint(checkpoint.get("embedder", "name", kind=str), checkpoint.folder),
        digest=checkpoint.get("embedder", "digest", kind=str),
        dimension=dimension,
        max_tokens=checkpoint.get("embedder", "max_tokens", kind=int),
        noise=checkpoint.get("embedder", "noise", kind=(int, float)),
        probe=probe,
    )


def embedder_config(embedder: Embedder, noise: float) -> dict[str, object]:
    """What a checkpoint's config says of its embedder, see `read_embedder`."""
    return {
        "name": embedder.name,
        "digest": embedder.digest,
        "dimension": embedder.dimension,
        "max_tokens": embedder.max_tokens,
        "reads": _READS,
        "noise": noise,
    }


def probe_tensor(embedder: Embedder) -> dict[str, NDArray[Any]]:
    """The tensor by which a remote embedder is known again; none for a local one."""
    return {} if embedder.probe is None else {"probe": embedder.probe}
