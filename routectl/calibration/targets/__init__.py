"""What a calibration is asked for. A new target is a module here and a line in `_BY_KEY`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from routectl.calibration.targets.budget import Budget
from routectl.calibration.targets.max_loss import MaxLoss
from routectl.calibration.targets.protocol import SizeAt, Target
from routectl.calibration.targets.strong_fraction import StrongFraction
from routectl.errors import InputError

__all__ = ["Budget", "MaxLoss", "SizeAt", "StrongFraction", "Target", "target_from_json"]

_BY_KEY: dict[str, Callable[[Mapping[str, Any]], Target]] = {
    "strong_fraction": StrongFraction.from_json,
    "budget": Budget.from_json,
    "max_loss": MaxLoss.from_json,
    "min_quality": MaxLoss.from_json,
}
"""By the key that names it in the stored JSON, which never changes."""


def target_from_json(stored: Mapping[str, Any]) -> Target:
    """What a target's `to_json` wrote.

    Raises:
        InputError: it is of a kind that this version does not have.
    """
    for key, from_json in _BY_KEY.items():
        if key in stored:
            return from_json(stored)
    raise InputError(
        "a calibration has a target that this routectl does not have: use the newer one that made "
        "it"
    )
