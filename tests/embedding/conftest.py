from typing import Any

import pytest

from routectl.embedding import Embedder, open_embedder
from routectl.embedding.files import DEFAULT, locate
from routectl.embedding.sentence_transformer import load_sentence_transformer
from tests.embedding.tiny import make_tiny_model


@pytest.fixture(scope="session")
def minilm() -> Embedder:
    return open_embedder()


@pytest.fixture(scope="session")
def peer() -> Any:
    """The same model as sentence-transformers computes it."""
    return load_sentence_transformer(locate(DEFAULT))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a model of a few kilobytes."""
    return str(make_tiny_model(tmp_path_factory.mktemp("tiny")))
