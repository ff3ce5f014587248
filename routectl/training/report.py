"""What a training run says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from routectl.records import ModelPair

Progress = Callable[[str, int, int], None]
"""Called with the phase ("read", "embed", "train"), how much is done, and how much at most."""


def no_progress(phase: str, done: int, total: int) -> None:
    """The `Progress` of a caller who does not look."""


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What was learned from what, and how well. Losses are cross-entropies in nats."""

    router: str
    path: Path
    fingerprint: str
    """Of the router with the default pair."""
    default_pair: ModelPair | None
    battles: int
    """Rows of battles."""
    gold: int
    """Rows of gold labels."""
    comparisons: int
    """Comparisons of two models that were learned from, the held-out ones included."""
    ties: int
    prompts: int
    held_out_prompts: int
    similar_prompts: int
    """Prompts left out because they resemble one of the benchmarks that were named."""
    models: tuple[str, ...]
    epochs: int
    held_out_loss: float | None
    """None for a router that fits nothing."""
    baseline_loss: float | None
    """Held-out loss of the models' ratings alone, which know nothing of the prompt."""
    metrics: Mapping[str, float]
    """Other held-out figures by name: "apgr" of the default pair and its interval, where it met."""
