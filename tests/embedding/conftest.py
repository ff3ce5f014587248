from typing import Any

import pytest

from routectl.embedding import Embedder, open_embedder
from routectl.embedding.files import DEFAULT, locate
from routectl.embedding.sentence_transformer import load_sentence_transformer


@pytest.fixture(scope="session")
def minilm() -> Embedder:
    return open_embedder()


@pytest.fixture(scope="session")
def peer() -> Any:
    """The same model as sentence-transformers computes it."""
    return load_sentence_transformer(locate(DEFAULT))
