"""The `length` baseline's reference lengths, from the prompts of preference data."""

from __future__ import annotations

import time

from routectl.checkpoint import require_free, write_checkpoint
from routectl.escaping import markdown
from routectl.preferences.comparisons import read_comparisons
from routectl.routers.seen_prompts import seen_file
from routectl.training.output.report import TrainingReport
from routectl.training.progress import Progress, no_progress
from routectl.training.request import TrainingRequest


def train_length(
    request: TrainingRequest, *, on_progress: Progress = no_progress
) -> TrainingReport:
    """Write a checkpoint of the `length` router: the lengths of all distinct prompts.

    Raises:
        InputError: a file cannot be read, or holds nothing that meets the conditions.
        CheckpointError: the output is there already, or cannot be written.
    """
    import numpy as np

    from routectl.routers.length import open_router

    started = time.monotonic()
    output = request.output
    require_free(output)
    comparisons = read_comparisons(
        request.battles,
        request.gold,
        request.conditions,
        lambda _, done, total: on_progress("read", done, total),
    )
    lengths = np.sort(np.array([len(prompt) for prompt in comparisons.prompts], dtype=np.int32))
    config = {"kind": "length", "name": output.name, "licence": "Apache-2.0", "count": len(lengths)}
    card = _card(output.name, len(lengths))
    more = seen_file(comparisons.prompts)
    write_checkpoint(output, config, {"lengths": lengths}, card, more)
    return TrainingReport(
        router="length",
        path=output,
        fingerprint=open_router(output, None, None).identity.fingerprint,
        default_pair=None,
        battles=comparisons.battle_rows,
        gold=comparisons.gold_rows,
        comparisons=len(comparisons),
        ties=comparisons.ties,
        prompts=len(comparisons.prompts),
        held_out_prompts=0,
        similar_prompts=0,
        models=(),
        curve=None,
        held_out_loss=None,
        baseline_loss=None,
        metrics={},
        seconds=time.monotonic() - started,
    )


def _card(name: str, count: int) -> str:
    return f"""# {markdown(name)}

A checkpoint of routectl's `length` router: the lengths, in characters, of {count:,} prompts, in
ascending order. A prompt's score is the rank of its length among them, from 0 (shorter than
all) to 1 (longer than all). It holds no text, knows no models, and understands nothing: it is the
baseline that a router has to beat.
"""
