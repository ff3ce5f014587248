"""What the tests of the proxy share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def litellm_python() -> str:
    """The Python of the environment with LiteLLM."""
    python = Path(os.environ.get("ROUTECTL_LITELLM_PYTHON", ""))
    if not python.is_file():
        pytest.skip("ROUTECTL_LITELLM_PYTHON names no Python with LiteLLM: `make test-slow` does")
    return str(python.absolute())
