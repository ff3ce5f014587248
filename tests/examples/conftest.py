"""The prompts that the example traffic is made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

Record = dict[str, Any]
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def prompts() -> list[Record]:
    with (EXAMPLES / "prompts.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
