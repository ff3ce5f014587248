"""What a training run says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from routectl.records import ModelPair
from routectl.training.fits.curve import LossCurve
from routectl.training.request import TrainingRequest

if TYPE_CHECKING:
    from routectl.training.data import TrainingData


Verdict = Literal["better", "worse", "can't tell", "not measured"]


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
    curve: LossCurve | None
    """Losses by epoch; None for a router that fits nothing by epochs."""
    held_out_loss: float | None
    """Of the weights that were kept; None for a router that fits nothing."""
    baseline_loss: float | None
    """Held-out loss of a baseline without the prompt's text: ratings, mean labels, intercepts."""
    metrics: Mapping[str, float]
    """Other held-out figures by name: "apgr" of the default pair and its interval, and how far it
    is above the APGR of the prompts' lengths, where the pair met."""
    seconds: float
    """Wall-clock time of this run; of a training that was stopped, of its last part."""
    notes: tuple[str, ...] = ()
    """What was done that nobody asked for, a sentence each."""

    @property
    def against_length(self) -> Verdict:
        """Whether the router's APGR is above that of the prompts' lengths, on the held-out prompts:
        the interval of the paired difference decides."""
        if "length_difference" not in self.metrics:
            return "not measured"
        if self.metrics["length_low"] > 0:
            return "better"
        return "worse" if self.metrics["length_high"] < 0 else "can't tell"

    @property
    def epochs(self) -> int:
        return 0 if self.curve is None else len(self.curve.held_out)

    @classmethod
    def of(
        cls,
        router: str,
        request: TrainingRequest,
        data: TrainingData,
        *,
        metrics: Mapping[str, float],
        seconds: float,
        curve: LossCurve | None = None,
        held_out_loss: float | None = None,
        baseline_loss: float | None = None,
    ) -> TrainingReport:
        """The report of a training on `data`; a curve brings its losses with it."""
        if curve is not None:
            held_out_loss = curve.held_out[curve.best_epoch - 1]
            baseline_loss = curve.baseline
        return cls(
            router=router,
            path=request.output,
            fingerprint="",
            default_pair=data.pair,
            battles=data.comparisons.battle_rows,
            gold=data.comparisons.gold_rows,
            comparisons=len(data.comparisons),
            ties=data.comparisons.ties,
            prompts=len(data.used),
            held_out_prompts=int(data.held_out.sum()),
            similar_prompts=data.similar_prompts,
            models=data.comparisons.models,
            curve=curve,
            held_out_loss=held_out_loss,
            baseline_loss=baseline_loss,
            metrics=metrics,
            seconds=seconds,
        )

    def with_fingerprint(self, fingerprint: str) -> TrainingReport:
        """The same report, of a checkpoint that has been written and opened."""
        return replace(self, fingerprint=fingerprint)

    def with_notes(self, *notes: str | None) -> TrainingReport:
        """The same report with those of the notes that there are."""
        return replace(self, notes=tuple(note for note in notes if note))
