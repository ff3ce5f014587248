"""The OpenAI-compatible `/embeddings` service: how it is asked, and which key it gets."""

from __future__ import annotations

from routectl.endpoint import Patience, Service
from routectl.errors import EmbeddingError

KEY = "ROUTECTL_EMBEDDING_KEY"

PATIENCE = Patience()

SERVICE = Service(
    name="embedding endpoint",
    path="/embeddings",
    keys=(KEY,),
    largest_answer=32 * 2**20,  # 128 vectors of 8,000 numbers take 25 MB
    too_long="if prompts are longer than the model takes, train with ?characters=N in the "
    "embedder's address",
    error=EmbeddingError,
)
