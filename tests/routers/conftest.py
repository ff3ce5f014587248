from pathlib import Path

import pytest

from tests.routers.checkpoints import write_mf


@pytest.fixture
def mf_folder(tmp_path: Path) -> Path:
    """A small mf checkpoint that is in order."""
    return write_mf(tmp_path / "checkpoint")
