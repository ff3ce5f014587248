"""Which two models a router decides between."""

from __future__ import annotations

from collections.abc import Sequence

from routectl.checkpoint import Checkpoint
from routectl.errors import CheckpointError, RouterError
from routectl.model_names import resolve
from routectl.records import ModelPair


def default_pair(checkpoint: Checkpoint, models: Sequence[str]) -> ModelPair:
    """The model pair that the checkpoint names as its default.

    Raises:
        CheckpointError: it names none, or a model that it does not hold.
    """
    pair = ModelPair(*(checkpoint.get("default_pair", k, kind=str) for k in ("strong", "weak")))
    if pair.strong not in models or pair.weak not in models:
        raise CheckpointError(
            f"{checkpoint.folder} names {pair} as its default pair, and does not hold both models."
        )
    return pair


def choose_pair(
    strong: str | None, weak: str | None, default: ModelPair, models: Sequence[str]
) -> ModelPair:
    """The pair that was asked for, each side falling back on the default's.

    Raises:
        RouterError: a model is not among `models`, or both sides are one model.
    """
    pair = ModelPair(
        default.strong if strong is None else resolve(strong, models, side="strong"),
        default.weak if weak is None else resolve(weak, models, side="weak"),
    )
    if pair.strong == pair.weak:
        raise RouterError(
            f"{pair.strong} is both the strong and the weak model; choose two different models."
        )
    return pair
