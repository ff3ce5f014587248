"""Building samples with only what a test is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from routectl.calibration import ScoredSample

Values = Sequence[float] | np.ndarray
SampleOf = Callable[..., ScoredSample]


@pytest.fixture(scope="session")
def sample_of() -> SampleOf:
    """A sample in which every request is its own prompt, of weight 1, and no more is known."""

    def build(win_rates: Values, **given: Values) -> ScoredSample:
        n = len(win_rates)
        columns: dict[str, Values] = {
            "weights": np.ones(n),
            "prompts": np.arange(n),
            "conversations": np.full(n, -1),
            **{name: np.full(n, np.nan) for name in ("times", "tokens", "spend")},
            **given,
        }
        integers = ("prompts", "conversations")
        return ScoredSample(
            win_rates=np.asarray(win_rates, dtype=np.float64),
            **{
                name: np.asarray(values, dtype=np.int64 if name in integers else np.float64)
                for name, values in columns.items()
            },
        )

    return build
