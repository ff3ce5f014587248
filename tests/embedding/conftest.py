import pytest

from routectl.embedding import Embedder, open_embedder


@pytest.fixture(scope="session")
def minilm() -> Embedder:
    return open_embedder()
