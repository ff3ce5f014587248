import pytest

from tests.embedding.tiny import make_tiny_model


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a small embedder, so that training takes a second."""
    return str(make_tiny_model(tmp_path_factory.mktemp("tiny")))
