"""Benchmarks of a few rows for the tests of this room."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from routectl.evaluation.benchmark import JudgedPair
from routectl.records import ModelPair

PROMPT = "a secret of the client's"


def judged(strong: ArrayLike, weak: ArrayLike, name: str = "own", **more: Any) -> JudgedPair:
    """A benchmark of these qualities."""
    qualities = np.asarray(strong, dtype=float), np.asarray(weak, dtype=float)
    prompts = (PROMPT,) * len(qualities[0])
    return JudgedPair(name, ModelPair("big-1", "little-1"), prompts, *qualities, **more)
