"""The steps that every training takes: a free folder, kept work, a checkpoint, its fingerprint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from routectl.checkpoint import require_free, write_checkpoint
from routectl.routers import open_router
from routectl.training.output.partial import PartialRun
from routectl.training.output.report import TrainingReport
from routectl.training.request import TrainingRequest, request_facts

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a router learned, ready to be written."""

    config: Mapping[str, object]
    tensors: Mapping[str, NDArray[Any]] | None
    """None for a router that has no weights."""
    card: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Further files by their path in the folder: the curve, digests of the prompts seen."""
    report: TrainingReport


def run_training(
    router: str,
    request: TrainingRequest,
    settings: Mapping[str, object],
    learn: Callable[[PartialRun], Trained],
) -> TrainingReport:
    """Let a router learn and write its checkpoint, whole or not at all.

    Args:
        settings: all that decides the outcome besides the request, as plain JSON values: a run
            that was stopped goes on only with the same ones.
        learn: is handed the work that an earlier run kept.

    Returns:
        The report, with the fingerprint of the router that was written.

    Raises:
        CheckpointError: the output is not free or cannot be written, or another training is at
            work there.
        InputError: a file cannot be read, or there is too little to learn from.
    """
    require_free(request.output)
    with PartialRun(request.output, request_facts(router, request, settings)) as partial:
        trained = learn(partial)
        write_checkpoint(
            request.output, trained.config, trained.tensors, trained.card, trained.files
        )
        partial.remove()
    opened = open_router(router, checkpoint=request.output)
    return trained.report.with_fingerprint(opened.identity.fingerprint)
