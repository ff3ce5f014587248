from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedding.endpoint_server import Server
from tests.routers.checkpoints import write_mf, write_tiny_mf
from tests.routers.published_layouts import text_vector


@pytest.fixture
def mf_folder(tmp_path: Path) -> Path:
    """A small mf checkpoint that is in order."""
    return write_mf(tmp_path / "checkpoint")


@pytest.fixture
def tiny_mf_folder(tiny: str, tmp_path: Path) -> Path:
    """A small mf checkpoint that is in order, and quick, because its embedder is small too."""
    return write_tiny_mf(tmp_path / "checkpoint", tiny)


@pytest.fixture
def embedding_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An endpoint that has the vectors of `text_vector`, where OpenAI's would be."""
    with Server().started() as server:
        server.model, server.embedding = "text-embedding-3-small", text_vector
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        yield server
