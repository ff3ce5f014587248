"""Training of the `ensemble` router: members' scores of labelled prompts in, a checkpoint out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from routectl.checkpoint import (
    SHIPPED,
    require_free,
)
from routectl.embedding import DEFAULT, open_embedder
from routectl.errors import UsageError
from routectl.records import RouterSpec
from routectl.routers import OpenRouter, open_spec
from routectl.routers.ensemble import MEMBERS
from routectl.routers.seen_prompts import seen
from routectl.training.data import (
    TrainingData,
    length_figures,
    length_scores,
    read_training_data,
)
from routectl.training.labels import StrongWeakLabels, strong_weak_labels, weak_quality
from routectl.training.output.card import model_card
from routectl.training.output.lineage import learned_from_all, learned_of, lineage_file
from routectl.training.output.partial import PartialRun
from routectl.training.output.report import TrainingReport
from routectl.training.progress import Progress, no_progress
from routectl.training.request import TrainingRequest
from routectl.training.run import Trained, run_training
from routectl.training.scored import kept_scores, open_for, spelled

if TYPE_CHECKING:
    from routectl.training.fits.stacking import Stack

_INTRODUCTION = """
A checkpoint of routectl's `ensemble` router: the scores of its members, each replaced by its rank
in a reference sample, and weighed by logistic stacking.
"""


_SO_GIVE = (
    "and would seem better than it is; name members of trainings on the same data with the same "
    "seed, or give data that no member has seen, with --fresh"
)


def train_ensemble(
    request: TrainingRequest,
    members: Sequence[RouterSpec],
    *,
    fresh: bool = False,
    on_progress: Progress = no_progress,
) -> TrainingReport:
    """Weigh members by held-out preference data, and write the ensemble's checkpoint.

    Of the data it learns only from the tenth of the prompts that every training with the same
    data and seed holds out, so that members trained on it do not seem better than they are.

    Args:
        members: two or more; the same router may take part with several checkpoints.
        fresh: no member has learned from this data, so all of its prompts are used.

    Raises:
        UsageError: fewer than two members, one twice, or an ensemble among them.
        InputError: a file cannot be read, or there is too little to learn from.
        RouterError: no such router, or one that does not know the pair.
        CheckpointError: a member's checkpoint is damaged, or the output is not free.
    """
    from routectl.training.fits.stacking import Labels, Members, stack

    started = time.monotonic()
    _require_members(members)
    require_free(request.output)
    opened = [open_spec(member) for member in members]
    _require_distinct(opened)
    if not fresh:
        _require_some_held_out(opened)
    fingerprints = [member.identity.fingerprint for member in opened]

    def learn(partial: PartialRun) -> Trained:
        data = read_training_data(
            request, open_embedder(DEFAULT), partial, on_progress, vectors=False
        )
        for_pair = [open_for(member, data.pair) for member in members]
        labels = strong_weak_labels(data.comparisons, data.pair)
        if not fresh:
            labels = labels.of_prompts(data.held_out)
        prompts = [data.comparisons.prompts[row] for row in labels.prompt]
        if not fresh:
            _require_held_out(for_pair, data, prompts)
        names = tuple(map(spelled, members))
        scored_members = Members(
            names,
            tuple(member.identity.noise for member in for_pair),
            kept_scores(for_pair, prompts, partial, on_progress),
        )
        quality = weak_quality(request, data)[labels.prompt]
        task = data.comparisons.task[labels.prompt]
        result = stack(
            scored_members,
            Labels.of(labels.outcome, quality, task),
            request.seed,
            length_scores(prompts),
        )
        report = _report(request, data, labels, result, time.monotonic() - started)
        return _trained(request, report, data, members, for_pair, result, fresh)

    settings = {"members": fingerprints, "fresh": fresh}
    return run_training("ensemble", request, settings, learn)


def _require_members(members: Sequence[RouterSpec]) -> None:
    if len(members) < 2:
        raise UsageError("an ensemble has two members or more: give --member twice or more often")
    if any(member.name == "ensemble" for member in members):
        raise UsageError("an ensemble cannot be a member: name its members instead")


def _require_distinct(members: Sequence[OpenRouter]) -> None:
    if len({member.identity.fingerprint for member in members}) < len(members):
        raise UsageError("a member is named twice: give each --member once")


def _require_some_held_out(members: Sequence[OpenRouter]) -> None:
    """Refuse early a member that holds nothing out, whatever the data will be.

    Raises:
        UsageError: one does not.
    """
    for member in members:
        folder = member.description.checkpoint
        if folder is not None and learned_from_all(folder):
            raise UsageError(
                f"{folder} has learned, or may have, from the prompts that its training held out, "
                f"by itself or through one of its parts, {_SO_GIVE}"
            )


def _require_held_out(
    members: Sequence[OpenRouter], data: TrainingData, prompts: Sequence[str]
) -> None:
    """Refuse a member that has learned from the very prompts that weigh it.

    Raises:
        UsageError: one has, or may have.
    """
    for member in members:
        folder = member.description.checkpoint
        if folder is None:
            continue
        learned_count = int(seen(prompts, learned_of(folder, data)).sum())
        if learned_count:
            raise UsageError(
                f"{folder} has learned, or may have, from {learned_count:,} of the "
                f"{len(prompts):,} held-out prompts that would weigh it, {_SO_GIVE}"
            )


def _report(
    request: TrainingRequest,
    data: TrainingData,
    labels: StrongWeakLabels,
    result: Stack,
    seconds: float,
) -> TrainingReport:
    from routectl.evaluation.metrics import APGR

    estimate = result.judged.estimate("ensemble", APGR)
    assert estimate.value is not None  # only CPT may never be reached
    return TrainingReport.of(
        "ensemble",
        request,
        data,
        held_out_loss=result.held_out_loss,
        baseline_loss=result.baseline_loss,
        metrics={
            "apgr": estimate.value,
            "apgr_low": estimate.low,
            "apgr_high": estimate.high,
            "apgr_prompts": float(len(labels)),
            **length_figures(result.against_length),
        },
        seconds=seconds,
    )


def _trained(
    request: TrainingRequest,
    report: TrainingReport,
    data: TrainingData,
    members: Sequence[RouterSpec],
    opened: Sequence[OpenRouter],
    result: Stack,
    fresh: bool,
) -> Trained:
    import numpy as np

    from routectl.training.fits.stacking import figures

    weighing = result.weighing
    settings: dict[str, object] = {
        f"weight of {spelled(member)}": f"{weight:.4f}"
        for member, weight in zip(members, weighing.weights, strict=True)
    }
    settings |= {
        "intercept": f"{weighing.intercept:.4f}",
        "penalty on squared weights": result.penalty,
        "prompts that weights were fitted on": "all" if fresh else "the held-out ones",
        "best member of each fold": ", ".join(result.best_members),
    }
    card = model_card(
        report,
        request,
        introduction=_INTRODUCTION,
        reads="; ".join(f"{m.identity.name}: {m.description.reads}" for m in opened),
        settings=settings,
        early_stopping=False,
        more_figures=figures(result, [spelled(member) for member in members]),
        limits="A member is never turned round: one that orders prompts the wrong way gets "
        "weight 0.",
    )
    tensors = {"weights": weighing.weights, "intercept": np.array([weighing.intercept])}
    for number, reference in enumerate(weighing.references):
        tensors[f"{number}.knots"] = reference.knots
        tensors[f"{number}.ranks"] = reference.ranks
    entries, more = _entries(members, opened)
    config = {
        "kind": "ensemble",
        "name": request.output.name,
        "licence": request.licence,
        "default_pair": {"strong": data.pair.strong, "weak": data.pair.weak},
        "members": entries,
    }
    parts = [member.description.checkpoint for member in opened]
    more |= lineage_file(data, parts, learned=data.used)
    return Trained(config=config, tensors=tensors, card=card, files=more, report=report)


def _entries(
    members: Sequence[RouterSpec], opened: Sequence[OpenRouter]
) -> tuple[list[dict[str, object]], dict[str, bytes]]:
    """What the config says of the members, and the files of those that are not shipped.

    The latter come along, so that the ensemble can be moved.
    """
    entries: list[dict[str, object]] = []
    more: dict[str, bytes] = {}
    for number, (member, router) in enumerate(zip(members, opened, strict=True)):
        entry: dict[str, object] = {
            "router": member.name,
            "fingerprint": router.identity.fingerprint,
            "knows_models": bool(router.description.models),
        }
        folder = router.description.checkpoint
        if folder is not None and folder.resolve().parent == SHIPPED.resolve():
            entry["shipped"] = folder.name
        elif folder is not None:
            entry["folder"] = name = f"{number}_{member.name}"
            for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                more[f"{MEMBERS}/{name}/{file.relative_to(folder)}"] = file.read_bytes()
        entries.append(entry)
    return entries, more
