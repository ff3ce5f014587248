"""What RouteLLM's routers share whose prompts OpenAI's endpoint embeds: `mf` and `sw_ranking`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from routectl.errors import CheckpointError
from routectl.records import ModelPair
from routectl.routers.protocol import EXTRACTION_FACT, RouterDescription

if TYPE_CHECKING:
    from routectl.embedding import Embedder
    from routectl.embedding.names import RemoteName

_MODEL = "text-embedding-3-small"


@dataclass(frozen=True, slots=True)
class EmbeddedRemotely:
    """The endpoint that embeds the prompts of a published router."""

    name: str
    """Of the embedder, as a checkpoint would name it."""
    remote: RemoteName
    dimension: int
    """Numbers of a prompt's vector, as the checkpoint has them."""

    @classmethod
    def of(cls, dimension: int) -> EmbeddedRemotely:
        """OpenAI's endpoint, or that of `OPENAI_BASE_URL`.

        Raises:
            UsageError: that is no address.
        """
        from routectl.embedding.names import parse_remote

        url = os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
        name = f"openai:{url.rstrip('/')}#{_MODEL}"
        remote = parse_remote(name)
        assert remote is not None  # its name begins with openai:
        return cls(name, remote, dimension)

    @property
    def shares(self) -> str:
        """For `OpenRouter.shares`: published routers of one endpoint embed each prompt once."""
        return f"{self.remote.name} {self.remote.digest(self.dimension)} head"

    def facts(self, router: str, weights: str, pair: ModelPair) -> dict[str, object]:
        """What decides the router's scores.

        Args:
            weights: a digest of what the folder holds.
        """
        return {
            "router": router,
            "layout": "published",
            "weights": weights,
            "embedder": self.remote.digest(self.dimension),
            "max_tokens": self.remote.characters,
            "reads": "head",
            "normalised": True,
            "strong_model": pair.strong,
            "weak_model": pair.weak,
            "extraction": EXTRACTION_FACT,
        }

    def description(
        self,
        router: str,
        summary: str,
        folder: Path,
        models: tuple[str, ...],
        default_pair: ModelPair,
        card: Path | None,
    ) -> RouterDescription:
        """What is said of the router before it is loaded."""
        from routectl.embedding import remote_host

        return RouterDescription(
            name=router,
            kind=router,
            summary=summary,
            checkpoint=folder,
            models=models,
            default_pair=default_pair,
            embedder=self.name,
            reads=f"the beginning of a long prompt ({self.remote.characters} characters)",
            licence=None,
            card=card,
            sends_prompts_to=remote_host(self.name),
        )

    def open(self, folder: Path) -> Embedder:
        """The embedder.

        Args:
            folder: of the checkpoint, for the sentence.

        Raises:
            CheckpointError: its vectors are not as long as the checkpoint's.
        """
        from routectl.embedding.shared import open_shared

        embedder = open_shared(self.name)
        if embedder.dimension != self.dimension:
            raise CheckpointError(
                f"{folder} expects prompt vectors of {self.dimension} numbers, and {self.name} "
                f"gives {embedder.dimension}."
            )
        return embedder
